//! `podgate explain POD`: which identities a pod has and why, what is missing, and the one thing to do next.
//!
//! ```text
//! gather (the API server, and through it the node's gateway) ─▶ Facts ─▶ diagnose ─▶ Report ─▶ text or JSON
//! ```
//! Everything after [`gather`] is pure. What cannot be read is a fact that is not known, and told as such.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use podgate_api::{ClientId, ObjectRef};

use crate::connection::Connection;
use facts::Asked;
use report::Report;

mod age;
mod answer;
mod check;
mod component;
mod diagnose;
mod facts;
mod gather;
mod identity;
mod pod;
mod report;
mod text;
mod view;

/// Says which identities a pod has and why, what its node's gateway answers, and the one thing to do next.
///
/// Reads with your own rights and writes nothing. Exits with 0 if the pod gets tokens, 1 if something is to be done, 2 if
/// that could not be told.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The pod's name, also as pod/NAME
    #[arg(value_name = "POD", value_parser = pod_name)]
    pod: String,
    /// The pod's namespace, instead of the context's
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    namespace: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// What the token request names, instead of the pod's AZURE_CLIENT_ID
    #[arg(long, value_name = "ID")]
    client_id: Option<ClientId>,
    /// Look for podgate's own pods in this namespace only, with rights for no other
    #[arg(long, value_name = "NAME", value_parser = name)]
    podgate_namespace: Option<String>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Explain {
    /// Reads, diagnoses and prints.
    ///
    /// # Errors
    /// There is no cluster to ask.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let cluster = self.connection.open().await?;
        let namespace = self.namespace.unwrap_or(cluster.namespace);
        let asked = Asked {
            pod: ObjectRef::new(namespace, self.pod),
            client_id: self.client_id,
        };
        let own = self.podgate_namespace.as_deref();
        let facts = gather::gather(cluster.client, asked, own).await;
        let report = Report::of(&facts);
        print(&match self.output {
            Form::Text => text::text(&report),
            Form::Json => serde_json::to_string_pretty(&report)? + "\n",
        })?;
        Ok(ExitCode::from(report.diagnosis.verdict.code()))
    }
}

/// A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// `NAME`, or `pod/NAME` as `kubectl get -o name` writes it.
fn pod_name(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        None => name(text),
        Some(("pod" | "pods" | "po", text)) => name(text),
        Some((kind, _)) => Err(format!(
            "{kind} is no kind that can be explained; name a pod, and its namespace with -n"
        )),
    }
}

/// It becomes part of paths.
fn name(text: &str) -> Result<String, String> {
    match identity::is_name(text) {
        true => Ok(text.to_owned()),
        false => {
            Err("a name of Kubernetes has lower-case letters, digits, - and . only".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_named_as_kubectl_names_it() {
        assert_eq!(pod_name("web-0").unwrap(), "web-0");
        assert_eq!(pod_name("pod/web-0").unwrap(), "web-0");
        for wrong in ["shop/web", "deployment/web", "", "Web", "../web", "-n"] {
            assert!(pod_name(wrong).is_err(), "{wrong}");
        }
    }
}
