//! `podgate plugin`: what a plugin's author needs between an empty folder and a plugins file.
//!
//! ```text
//! new ─▶ a project ─▶ cargo build ─▶ FILE ─▶ check: what it is, what it wants, whether it is taken
//!                                        └─▶ call: questions in, answers and host calls out, compared with what is expected
//! ```
//! `check` and `call` run the component in the host that the gateway runs it in, not in a likeness of it.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use podgate_plugin_host::World;

mod anatomy;
mod call;
mod check;
mod file;
mod load;
mod new;

/// Makes, checks and tries plugins.
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::New),
    Check(check::Check),
    Call(call::Call),
}

/// The kinds of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Decides whether a pod's request goes on, and with which identities.
    Policy,
    /// Turns an identity into a token.
    Credential,
    /// Decides how long a token is kept.
    Cache,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a verb exits with that found something to be put right.
const NOT_GOOD: u8 = 1;

// === impl Plugin ===

impl Plugin {
    /// Does what the verb says.
    ///
    /// # Errors
    /// The verb could not do its work; that the plugin is not good is no error.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let good = match self.verb {
            Verb::New(new) => new.run().map(|()| true),
            Verb::Check(check) => check.run().await,
            Verb::Call(call) => call.run().await,
        }?;
        Ok(ExitCode::from(if good { 0 } else { NOT_GOOD }))
    }
}

// === impl Kind ===

impl From<Kind> for World {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Policy => Self::Policy,
            Kind::Credential => Self::Credential,
            Kind::Cache => Self::Cache,
        }
    }
}

/// A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::Cli;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_verb_is_written_as_the_guide_has_it() {
        for line in [
            "podgate plugin new hello --kind policy",
            "podgate plugin check hello.wasm --kind cache --settings settings.yaml -o json",
            "podgate plugin call hello.wasm --input cases.yaml --only words",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
        assert!(Cli::try_parse_from(["podgate", "plugin", "new", "hello"]).is_err());
    }
}
