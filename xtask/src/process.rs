//! Running other programs, and saying what was run when one fails.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::workspace::root;

/// The cargo that runs this program, in `folder`.
pub(crate) fn cargo(folder: impl AsRef<Path>) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
    cargo
}

/// Every program as `cargo test --workspace` builds it: the features that tests add to dependencies are
/// part of that build, so any other selection of packages would compile half of the dependencies again.
pub(crate) fn build_with_tests() -> Result<()> {
    run(cargo(root()).args([
        "build",
        "--locked",
        "--workspace",
        "--bins",
        "--tests",
        "--examples",
    ]))
}

/// Runs to the end, with this program's own input and output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting `{}`", line(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}

/// Runs to the end and returns what was written to the standard output; errors pass through.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{}`", line(command)))?;
    ensure!(
        output.status.success(),
        "`{}` ended with {}",
        line(command),
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{}`", line(command)))
}

/// What the program says to these arguments (its version, as a rule), or nothing where it is missing or fails.
pub(crate) fn probe(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&said).trim().to_owned())
}

/// The command as one would type it; without quotes, as it is only ever read.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

/// `4.2s`, `3m07s`.
pub(crate) fn spoken(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}.{}s", elapsed.subsec_millis() / 100),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c exit 3` ended with exit status: 3"
        );
    }

    #[test]
    fn a_missing_program_answers_no_probe() {
        assert_eq!(probe("no-such-program-anywhere", &["--version"]), None);
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(spoken(Duration::from_millis(4_250)), "4.2s");
        assert_eq!(spoken(Duration::from_secs(187)), "3m07s");
    }
}
