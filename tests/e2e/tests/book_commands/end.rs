//! How a command is to end where nothing is Azure's and nothing runs in a pod, and what is typed for it.

use crate::kubelet::NODE;
use crate::reader::Typed;

/// What words of the book stand for.
const STAND_INS: [(&str, &str); 5] = [
    ("NAMESPACE", "demo"),
    ("NAME", "reader"),
    ("NODE", NODE),
    ("POD", "$(pod demo app=reader)"),
    // Revisions are helm's.
    (
        "REVISION",
        "$(helm history podgate --namespace podgate --max 1 | tail -1 | cut -f1)",
    ),
];
/// In a command about podgate's own namespace a pod is a gateway's.
const GATEWAY: &str = "$(pod podgate app.kubernetes.io/component=gateway)";
/// What serves until it is ended; and how the README starts it from the sources.
const SERVERS: [&str; 3] = ["podgate-gateway ", "podgate-controller ", FROM_SOURCES];
const FROM_SOURCES: &str = "cargo run --release -p podgate-gateway -- ";
/// What kubectl does by way of the kubelet.
const BY_KUBELET: [&str; 3] = ["logs", "exec", "port-forward"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// Without an error.
    Done,
    /// The API server knew pod, container and options, and found nobody at the kubelet's port.
    NoKubelet,
    /// The Azure CLI took every word of it, and knows nobody.
    NoAccount,
    /// `podgate explain` has come to a result, whichever.
    Explained,
    /// The program knows these arguments.
    Parsed,
}

impl End {
    pub(crate) fn of(command: &str) -> Self {
        let is_kubectl = command.starts_with("kubectl ");
        let mut words = command.split_whitespace();
        let served = SERVERS.iter().any(|server| command.starts_with(server));
        let synopsis = command.starts_with("podgate ") && command.contains('[');
        if served || synopsis {
            Self::Parsed
        } else if command.starts_with("podgate explain") {
            Self::Explained
        } else if command.starts_with("az ") || command.contains("$(az ") {
            Self::NoAccount
        } else if is_kubectl && words.any(|word| BY_KUBELET.contains(&word)) {
            Self::NoKubelet
        } else {
            Self::Done
        }
    }

    /// What comes into the shell.
    pub(crate) fn line(self, command: &str) -> String {
        let command = match self {
            Self::Parsed => arguments(command),
            _ => command.to_owned(),
        };
        let is_own = command.contains("--namespace podgate");
        let value = |word, value| {
            if is_own && word == "POD" {
                GATEWAY
            } else {
                value
            }
        };
        STAND_INS.iter().fold(command, |line, (word, stand_in)| {
            replace(&line, word, value(*word, stand_in))
        })
    }

    pub(crate) fn is_met(self, typed: &Typed, kubelet: u16) -> bool {
        let Typed { code, out, err } = typed;
        match self {
            Self::Done | Self::Parsed => *code == 0,
            Self::NoAccount => *code == 1 && err.contains("Please run 'az login'"),
            Self::Explained => out.lines().any(|line| line.starts_with("Result ")),
            Self::NoKubelet => {
                let nobody = format!("dial tcp 127.0.0.1:{kubelet}: connect: connection refused");
                err.contains(&format!("https://127.0.0.1:{kubelet}/")) && err.contains(&nobody)
            }
        }
    }
}

/// What runs in a container, from the command that has it run there, as the program's own parser is asked.
pub(crate) fn in_container(command: &str) -> Option<String> {
    let (_, inside) = command.split_once(" -- /usr/bin/")?;
    Some(arguments(inside))
}

/// With all optional words of a synopsis, and the first of alternatives. `--help` comes last: what is before it is parsed.
fn arguments(command: &str) -> String {
    let command = command.replace(FROM_SOURCES, "podgate-gateway ");
    let words = command.split_whitespace().map(|word| {
        let word = word.trim_matches(['[', ']']);
        word.split('|').next().unwrap_or(word)
    });
    words.chain(["--help"]).collect::<Vec<_>>().join(" ")
}

/// Whole words alone.
fn replace(line: &str, word: &str, value: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut made = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(word) {
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        made += before;
        made += if is_whole { value } else { word };
        rest = after;
    }
    made + rest
}

#[test]
fn a_command_ends_by_what_it_needs() {
    for (command, end) in [
        ("kubectl get pods", End::Done),
        (
            "kubectl --namespace podgate logs POD | grep x",
            End::NoKubelet,
        ),
        ("NODES=$(az aks show)", End::NoAccount),
        ("podgate explain POD", End::Explained),
        ("podgate explain POD [-o text|json]", End::Parsed),
        ("podgate-gateway intercept watch", End::Parsed),
    ] {
        assert_eq!(End::of(command), end, "{command}");
    }
}

#[test]
fn words_of_the_book_are_replaced_and_parts_of_words_are_not() {
    let line = End::Done.line("kubectl get azureidentity NAME --namespace NAMESPACE $NODES");
    assert_eq!(
        line,
        "kubectl get azureidentity reader --namespace demo $NODES"
    );
    let own = End::Done.line("kubectl --namespace podgate describe pod POD");
    assert!(own.contains("component=gateway"), "{own}");
    let synopsis = End::Parsed.line("podgate explain POD [-n NAMESPACE] [-o text|json]");
    assert!(synopsis.ends_with("-n demo -o text --help"), "{synopsis}");
}
