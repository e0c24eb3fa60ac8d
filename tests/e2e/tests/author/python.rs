//! `examples/plugins/required-labels`: the interface is not Rust's.

use std::path::{Path, PathBuf};

use crate::shell::{Said, command, podgate, root, said};

const PAGE: &str = include_str!("../../../../examples/plugins/required-labels/README.md");

/// A copy of the example at its place below the root, since CPython leaves its byte code beside the source.
fn project(folder: &Path) -> PathBuf {
    let project = folder.join("examples/plugins/required-labels");
    std::fs::create_dir_all(project.join("wit")).unwrap();
    let original = root().join("examples/plugins/required-labels");
    for file in [
        "required_labels.py",
        "wit/pure.wit",
        "cases.yaml",
        "settings.yaml",
    ] {
        std::fs::copy(original.join(file), project.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(root().join("wit"), folder.join("wit")).unwrap();
    project
}

/// The page's command that builds, word for word, with componentize-py where xtask installed it.
fn build(project: &Path) -> Said {
    let block = PAGE.split_once("```sh\n").unwrap().1;
    let build = block.split("\n```").next().unwrap();
    assert!(build.contains("componentize-py"), "{build}");
    let tools = root().join("target/tools/python/bin");
    let path = std::env::var("PATH").unwrap();
    let mut bash = command("bash", project);
    bash.env("PATH", format!("{}:{path}", tools.display()));
    said(bash.args(["-euc", build]))
}

#[test]
#[ignore = "needs componentize-py: cargo xtask test --only author-python"]
fn a_policy_in_python_is_taken_and_does_what_its_cases_say() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let built = build(&project);
    assert_eq!(built.code, 0, "{}{}", built.out, built.err);
    let component = "required_labels.wasm";
    let call = podgate(&project, &["call", component, "--input", "cases.yaml"]);
    assert_eq!(call.code, 0, "{}{}", call.out, call.err);
    let check = podgate(
        &project,
        &["check", component, "--settings", "settings.yaml"],
    );
    let pure = "a pure function";
    assert!(check.out.contains(pure), "{}{}", check.out, check.err);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    let bytes = std::fs::metadata(project.join(component)).unwrap().len();
    let told = format!("| component | {} MB |", bytes / 1_000_000);
    assert!(PAGE.contains(&told), "it has {bytes} bytes");
    println!("{}\n{}", check.out, call.out);
}
