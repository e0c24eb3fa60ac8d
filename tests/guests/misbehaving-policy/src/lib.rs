//! A policy that misbehaves as its settings say: `{"mode": "loop"}`. See [`Mode`].

use std::cell::RefCell;
use std::hint::black_box;

use bindings::exports::podgate::policy::decide::{Guest, Question, Verdict};
use bindings::podgate::types::model::Problem;
use bindings::podgate::types::{clock, log};
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

/// What to do when asked, or for the three last: when configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(
    tag = "mode",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
enum Mode {
    /// Answers `pass`.
    #[default]
    Pass,
    /// Answers `bypass`.
    Bypass,
    /// Answers `deny` with this reason.
    Deny {
        #[serde(default = "reason")]
        reason: String,
    },
    /// Answers `restrict` to these client ids.
    Restrict {
        #[serde(default)]
        client_ids: Vec<String>,
    },
    /// Never answers.
    Loop,
    /// Takes memory until there is none.
    Allocate,
    /// Calls itself until the stack is gone.
    Recurse,
    /// Panics.
    Panic,
    /// Writes so many lines of such a length, then answers `pass`.
    Flood {
        #[serde(default = "lines")]
        lines: u32,
        #[serde(default = "line_bytes")]
        length: usize,
    },
    /// Answers `deny` with a reason of that many bytes.
    Huge {
        #[serde(default = "megabyte")]
        length: usize,
    },
    /// Answers `deny` with the host's time as the reason.
    Clock,
    /// Never ends to check its settings.
    LoopInConfigure,
    /// Panics over its settings.
    PanicInConfigure,
    /// Refuses its settings.
    RefuseSettings,
}

fn reason() -> String {
    "denied by the misbehaving policy".to_owned()
}

fn lines() -> u32 {
    10_000
}

fn line_bytes() -> usize {
    200
}

fn megabyte() -> usize {
    1 << 20
}

thread_local! {
    static MODE: RefCell<Mode> = RefCell::default();
}

struct Policy;

impl Guest for Policy {
    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        let mode = match serde_json::from_str(&settings) {
            Ok(mode) => mode,
            Err(_) if settings == "{}" => Mode::default(),
            Err(error) => return Err(vec![problem("", &error.to_string())]),
        };
        match mode {
            Mode::LoopInConfigure => endless(),
            Mode::PanicInConfigure => panic!("as the settings say"),
            Mode::RefuseSettings => Err(vec![
                problem("/mode", "refused"),
                problem("/a~1b", "refused too"),
            ]),
            mode => {
                MODE.set(mode);
                Ok(())
            }
        }
    }

    fn decide(_question: Question) -> Verdict {
        match MODE.with_borrow(Clone::clone) {
            Mode::Bypass => Verdict::Bypass,
            Mode::Deny { reason } => Verdict::Deny(reason),
            Mode::Restrict { client_ids } => Verdict::Restrict(client_ids),
            Mode::Loop => endless(),
            Mode::Allocate => allocate(),
            Mode::Recurse => Verdict::Deny(recurse(1).to_string()),
            Mode::Panic => panic!("as the settings say"),
            Mode::Flood { lines, length } => flood(lines, length),
            Mode::Huge { length } => Verdict::Deny("x".repeat(length)),
            Mode::Clock => Verdict::Deny(clock::now().to_string()),
            Mode::Pass | Mode::LoopInConfigure | Mode::PanicInConfigure | Mode::RefuseSettings => {
                Verdict::Pass
            }
        }
    }
}

fn endless() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn allocate() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// Ends in theory, or the compiler would object.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let frame = black_box([depth; 16]);
    recurse(black_box(depth + 1)).wrapping_add(black_box(frame)[7])
}

fn flood(lines: u32, length: usize) -> Verdict {
    let line = "x".repeat(length);
    for _ in 0..lines {
        log::write(log::Level::Warn, &line);
    }
    Verdict::Pass
}

fn problem(setting: &str, message: &str) -> Problem {
    Problem {
        setting: setting.to_owned(),
        message: message.to_owned(),
    }
}
