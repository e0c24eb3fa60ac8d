//! A well-behaved policy as somebody's toolchain makes it: for WASI 0.2, with a randomly seeded hash map and
//! a line on standard output. Its settings can make it panic or look around: see [`Mode`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::model::Problem;
use serde::Deserialize;

#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the WIT holds the documentation"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "podgate:policy/policy",
        path: ["../../../wit/types", "../../../wit/policy"],
        generate_all,
    });
    use super::Policy;
    export!(Policy);
}

/// What to do when asked.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
enum Mode {
    /// Denies pods with the label `team=blocked` and passes the others.
    #[default]
    Teams,
    /// Panics.
    Panic,
    /// Answers `deny`, with what it found of the node as the reason: with all of WASI denied, `nothing`.
    LookAround,
}

thread_local! {
    static MODE: RefCell<Mode> = RefCell::default();
}

struct Policy;

impl Guest for Policy {
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        match serde_json::from_str(&settings) {
            Ok(mode) => MODE.set(mode),
            Err(_) if settings == "{}" => {}
            Err(error) => {
                return Err(vec![Problem {
                    setting: String::new(),
                    message: error.to_string(),
                }]);
            }
        }
        Ok(())
    }

    fn decide(question: Question) -> Verdict {
        match MODE.with_borrow(Clone::clone) {
            Mode::Teams => by_team(&question),
            Mode::Panic => panic!("as the settings say"),
            Mode::LookAround => Verdict::Deny(look_around()),
        }
    }
}

fn by_team(question: &Question) -> Verdict {
    let labels: HashMap<&str, &str> = question
        .pod
        .labels
        .iter()
        .map(|label| (label.name.as_str(), label.value.as_str()))
        .collect();
    println!(
        "asked about {}/{}",
        question.pod.namespace, question.pod.name
    );
    match labels.get("team") {
        Some(&"blocked") => Verdict::Deny("the team is blocked".to_owned()),
        _ => Verdict::Pass,
    }
}

/// Each thing that only a guest with a grant could have.
fn look_around() -> String {
    let metadata = SocketAddr::from(([169, 254, 169, 254], 80));
    let finds = [
        ("arguments", std::env::args().next().is_some()),
        ("environment", std::env::vars().next().is_some()),
        ("directory", std::fs::read_dir("/").is_ok()),
        ("file", std::fs::read("/etc/hostname").is_ok()),
        (
            "written file",
            std::fs::write("/tmp/wasi-policy", "x").is_ok(),
        ),
        ("connection", TcpStream::connect(metadata).is_ok()),
        ("datagram", UdpSocket::bind("0.0.0.0:0").is_ok()),
    ];
    let found: Vec<&str> = finds
        .iter()
        .filter(|(_, found)| *found)
        .map(|(name, _)| *name)
        .collect();
    if found.is_empty() {
        "nothing".to_owned()
    } else {
        found.join(", ")
    }
}
