//! The command line, run to its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What `podgate explain -o json` said.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

impl Told {
    /// The code, the cause, and every word somewhere in the report.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, cause: &str, words: &[&str]) {
        let all = format!("{:#}", self.report);
        assert_eq!(
            (self.code, self.report["cause"].as_str()),
            (code, Some(cause)),
            "{all}"
        );
        for word in words {
            assert!(all.contains(word), "{word} is not in {all}");
        }
    }

    /// The commands that check the rights that were missing.
    pub(crate) fn checks(&self) -> Vec<String> {
        let unknown = self.report["unknown"].as_array().unwrap();
        unknown
            .iter()
            .filter_map(|gap| gap["check"].as_str().map(str::to_owned))
            .collect()
    }
}

/// The program, beside this one: cargo puts all binaries of a profile into one folder.
pub(crate) fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let binary = this.parent().unwrap().parent().unwrap().join(name);
    assert!(
        binary.exists(),
        "{} is not there: cargo build --workspace",
        binary.display()
    );
    binary
}

/// Explains a pod of namespace shop, by way of `through` where the cluster is not in this network.
pub(crate) fn explain(through: &[&str], kubeconfig: &Path, pod: &str, options: &[&str]) -> Told {
    let output = run(
        through,
        kubeconfig,
        pod,
        &[&["-o", "json"], options].concat(),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    Told {
        code: output.status.code().unwrap(),
        report: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{said}")),
    }
}

/// The same in words.
pub(crate) fn run(through: &[&str], kubeconfig: &Path, pod: &str, options: &[&str]) -> Output {
    let program = binary("podgate");
    let program = program.to_str().unwrap();
    let words = [
        through,
        &[program, "explain", pod, "-n", "shop", "--kubeconfig"],
    ]
    .concat();
    Command::new(words[0])
        .args(&words[1..])
        .arg(kubeconfig)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
