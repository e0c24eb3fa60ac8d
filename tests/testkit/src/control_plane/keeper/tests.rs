//! The owner's death, in the moment that counts: right after it has started a program.

use std::time::{Duration, Instant};

use super::*;

/// A program that nothing but its own name tells from others: how long it would sleep.
const MARK: &str = "PODGATE_TEST_SLEEP";

fn sleeper(seconds: String) -> Program {
    Program {
        name: "sleeper",
        path: "sleep".into(),
        arguments: vec![seconds],
        log: "/dev/null".into(),
    }
}

/// The owner: a process of its own, which the test below starts.
#[test]
fn an_owner_that_dies_at_once() {
    if let Ok(seconds) = std::env::var(MARK) {
        let keeper = Keeper::start();
        keeper.run(sleeper(seconds)).unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .unwrap();
    }
}

#[test]
fn no_program_outlives_an_owner_killed_while_it_starts_one() {
    // Longer than this test waits; and should it fail, they end by themselves.
    let unique = std::process::id();
    let seconds: Vec<String> = (60..90).map(|round| format!("{round}.{unique}")).collect();
    seconds.iter().for_each(|seconds| killed_owner(seconds));
    let deadline = Instant::now() + Duration::from_secs(10);
    while seconds.iter().any(|seconds| runs(seconds)) {
        assert!(
            Instant::now() < deadline,
            "some of {} run on",
            seconds.len()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn killed_owner(seconds: &str) {
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args([
        "--exact",
        "control_plane::keeper::tests::an_owner_that_dies_at_once",
    ]);
    let ended = owner.env(MARK, seconds).stdout(Stdio::null()).status();
    assert!(!ended.unwrap().success(), "the owner was not killed");
}

/// Dead processes that nobody has waited for have no command line.
fn runs(argument: &str) -> bool {
    let has = |entry: std::fs::DirEntry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(has)
}
