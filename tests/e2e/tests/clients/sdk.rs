//! The client programs of `tests/clients`, as `cargo xtask clients` installed them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use podgate_e2e::stage::{Stage, VAULT};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

/// The SDKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Python,
    Js,
    Java,
}

/// What a client program printed (`tests/clients/README.md`).
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    pub(crate) elapsed_ms: u64,
    #[serde(default)]
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) expires_on: u64,
    #[serde(default)]
    pub(crate) message: String,
    /// Both streams, whole.
    #[serde(skip)]
    pub(crate) printed: String,
}

/// Of the SDK's own doing; no case that passes takes half of it.
const DEADLINE: Duration = Duration::from_secs(80);
/// For the start of a process on a loaded machine.
const START: Duration = Duration::from_secs(20);

/// An application gets its error within this, whatever it waits for; the slowest SDK takes half of it.
const BOUND: Duration = Duration::from_secs(30);

/// What mends a client that does not run.
pub(crate) const CURE: &str = "run `cargo xtask clients` (or `cargo xtask test --only clients`)";

impl Outcome {
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms)
    }

    /// An error, in time, whose message says this.
    pub(crate) fn assert_error_says(&self, why: &str) {
        assert!(!self.ok, "{}", self.printed);
        assert!(self.message.contains(why), "{}", self.printed);
        assert!(self.elapsed() < BOUND, "{}", self.printed);
    }
}

impl Sdk {
    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Js => "js",
            Self::Java => "java",
        }
    }

    /// A file of the installed client.
    pub(crate) fn installed(self, file: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/clients")
            .join(self.name())
            .join(file);
        assert!(
            path.is_file(),
            "the {} client is not installed, {} is not there: {CURE}",
            self.name(),
            path.display()
        );
        path
    }

    /// How often an SDK asks in all while the answer is 503.
    pub(crate) fn tries(self) -> u32 {
        match self {
            Self::Python | Self::Java => 6,
            Self::Js => 4,
        }
    }

    /// Requests without the metadata header that the default credential of the SDK sends first. The variable
    /// that names the gateway makes them needless, and only Java sends one all the same.
    pub(crate) fn probes(self) -> u32 {
        u32::from(self == Self::Java)
    }

    /// What the default credential's error says of an answer with status 400. Java's drops the answer's text
    /// (azure-identity 1.19.0, `IdentityClient.getTokenFromMsalMIClient`), that of real IMDS as well.
    pub(crate) fn default_credential_says(self, description: &str) -> &str {
        match self {
            Self::Python | Self::Js => description,
            Self::Java => "Managed Identity authentication is not available",
        }
    }

    /// One `get_token` of a new process, which calls from 127.0.0.1.
    pub(crate) async fn ask(self, stage: &Stage, arguments: &[&str]) -> Outcome {
        let home = tempfile::tempdir().unwrap();
        let mut client = Command::new(self.installed("client"));
        client
            .args(["--scope", &format!("{VAULT}/.default")])
            .args(["--deadline", &DEADLINE.as_secs().to_string()])
            .args(arguments)
            .env_clear()
            .envs(
                ["PATH", "JAVA_HOME"]
                    .map(|name| (name, std::env::var_os(name).unwrap_or_default())),
            )
            .env("HOME", home.path())
            .env(
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", stage.gateway.address),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = timeout(DEADLINE + START, client.output()).await;
        let output = ended
            .unwrap_or_else(|_| panic!("the {} client does not end", self.name()))
            .unwrap_or_else(|error| {
                panic!("the {} client does not start: {error}; {CURE}", self.name())
            });
        self.outcome(&output)
    }

    fn outcome(self, output: &Output) -> Outcome {
        let printed = [&output.stdout, &output.stderr]
            .map(|stream| String::from_utf8_lossy(stream))
            .join("\n");
        let mut outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "the {} client ended without an outcome ({}, {error}): {CURE}\n{printed}",
                self.name(),
                output.status
            )
        });
        assert_eq!(output.status.success(), outcome.ok, "{printed}");
        outcome.printed = printed;
        outcome
    }
}
