//! Flags, each with an environment twin. What the old controller (MIC) had keeps its name.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, Parser};
use http::HeaderValue;
use podgate_api::ClientId;
use podgate_azure::arm::ArmEndpoint;
use podgate_azure::cloud::Authority;
use podgate_daemon::logging::LogFormat;
pub(crate) use podgate_daemon::values::seconds_or_unit;
use podgate_daemon::values::switch;

use crate::lease::{Candidacy, LeaseDuration};
use crate::matching::Rules;
use crate::plan;

mod azure;
mod dashes;
mod retired;
mod values;

pub use azure::{AzureAccess, AzureAccessError};
pub use retired::Retired;
pub use values::{AtATime, PerSecond, Within};
use values::{client_ids, user_agent};

/// In seconds.
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 3600;

/// The controller of a cluster: says which pod may use which identity, and puts the identities on the nodes.
///
/// Most flags can be given in the environment as well; `--help` names the variable. As ever, one dash does for two.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "podgate-controller",
    version,
    max_term_width = 110,
    after_help = "`podgate-controller retire` takes back what the controller has put on machines, before it is uninstalled: see \
                  `podgate-controller retire --help`."
)]
pub struct Settings {
    /// Where the API server is, and the credentials for it, instead of the ServiceAccount of the controller's pod.
    #[arg(long, env = "PODGATE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Calls to the API server per second, 0.1 to 10000, as the old controller counted them: its default of 5 made it slow.
    /// Without it there is no limit here; the API server has its own (API Priority and Fairness).
    #[arg(
        long = "clientQps",
        env = "PODGATE_CLIENT_QPS",
        alias = "client-qps",
        value_name = "N"
    )]
    pub client_qps: Option<PerSecond>,
    /// Records that are written at the same time, 1 to 10000.
    #[arg(
        long = "createDeleteBatch",
        env = "PODGATE_CREATE_DELETE_BATCH",
        default_value = "20",
        alias = "create-delete-batch",
        value_name = "N"
    )]
    pub create_delete_batch: AtATime,

    /// The cloud provider's azure.json; without it the variables CLOUD, TENANT_ID, CLIENT_ID, CLIENT_SECRET and so on say
    /// where Azure is and who the controller is there.
    #[arg(long, env = "PODGATE_CLOUDCONFIG", value_name = "FILE")]
    pub cloudconfig: Option<PathBuf>,
    /// URL of Azure Resource Manager that replaces the cloud's.
    #[arg(long, env = "PODGATE_ARM_URL", value_name = "URL")]
    pub arm_url: Option<ArmEndpoint>,
    /// Login URL that replaces the cloud's.
    #[arg(long, env = "PODGATE_AUTHORITY", value_name = "URL")]
    pub authority: Option<Authority>,
    /// Address of the instance metadata service, where a managed identity's tokens come from.
    #[arg(long, env = "PODGATE_METADATA_IP", default_value = "169.254.169.254")]
    pub metadata_ip: IpAddr,
    /// Port of the instance metadata service.
    #[arg(long, env = "PODGATE_METADATA_PORT", default_value_t = 80)]
    pub metadata_port: u16,
    /// PEM file with further certificate authorities for Azure Resource Manager and the login host.
    #[arg(long, env = "PODGATE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Words at the end of the user agent of calls to Azure, so that its support finds them.
    #[arg(long, env = "PODGATE_CUSTOM_USER_AGENT", default_value = "", value_parser = user_agent, value_name = "TEXT")]
    pub custom_user_agent: String,

    /// Pod, binding and identity must share a namespace. `=false` is the old controller's default, by which any
    /// namespace's pods can take any namespace's identities by a label. The gateways must have the same.
    #[arg(long = "forceNamespaced", env = "FORCENAMESPACED", default_value_t = true, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", alias = "force-namespaced")]
    pub force_namespaced: bool,
    /// Client ids of identities that are never taken off a node.
    #[arg(long, env = "PODGATE_IMMUTABLE_USER_MSIS", default_value = "", value_parser = client_ids, value_name = "IDS")]
    pub immutable_user_msis: BTreeSet<ClientId>,
    /// A pod that has succeeded or failed keeps its identities until it is deleted, as with the old controller.
    #[arg(long, env = "PODGATE_KEEP_COMPLETED_PODS", default_value_t = false, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub keep_completed_pods: bool,
    /// How long an identity stays on a node after the last pod that used it, up to a day: a pod that comes in that time costs
    /// no call. `0` takes it at once, as the old controller did.
    #[arg(
        long,
        env = "PODGATE_REMOVAL_LINGER",
        default_value = "30s",
        value_name = "DURATION"
    )]
    pub removal_linger: Within<0, DAY>,
    /// How long it has to be quiet before new identities are asked for, all in one call; up to a minute. `0` does not wait.
    #[arg(
        long,
        env = "PODGATE_COALESCE",
        default_value = "100ms",
        value_name = "DURATION"
    )]
    pub coalesce: Within<0, MINUTE>,
    /// How often is looked whether somebody took an identity off a node: every second to once a day.
    #[arg(
        long,
        env = "PODGATE_IDENTITY_ASSIGNMENT_RECONCILE_INTERVAL",
        default_value = "3m",
        value_name = "DURATION"
    )]
    pub identity_assignment_reconcile_interval: Within<1, DAY>,
    /// How often everything is looked at again, whether or not something happened: every second to once in 30 days.
    #[arg(
        long = "syncRetryDuration",
        env = "PODGATE_SYNC_RETRY_DURATION",
        default_value = "1h",
        alias = "sync-retry-duration",
        value_name = "DURATION"
    )]
    pub sync_retry_duration: Within<1, { 30 * DAY }>,

    /// The controller's name among the candidates; its host's without it.
    #[arg(long, env = "PODGATE_LEADER_ELECTION_INSTANCE", value_name = "NAME")]
    pub leader_election_instance: Option<String>,
    /// Namespace of the Lease.
    #[arg(
        long,
        env = "PODGATE_LEADER_ELECTION_NAMESPACE",
        default_value = "default",
        value_name = "NAME"
    )]
    pub leader_election_namespace: String,
    /// Name of the Lease.
    #[arg(
        long,
        env = "PODGATE_LEADER_ELECTION_NAME",
        default_value = "aad-pod-identity-mic",
        value_name = "NAME"
    )]
    pub leader_election_name: String,
    /// How long a leader that is not heard of is left alone, a second to an hour. It renews every quarter of it, and writes no
    /// more after half.
    #[arg(
        long,
        env = "PODGATE_LEADER_ELECTION_DURATION",
        default_value = "15s",
        value_name = "DURATION"
    )]
    pub leader_election_duration: LeaseDuration,

    /// Address of the probes' and the metrics' ports; every address of the pod without it.
    #[arg(long, env = "PODGATE_ADMIN_ADDRESS", value_name = "IP")]
    pub admin_address: Option<IpAddr>,
    /// Port of /healthz and /readyz; 0 takes a free one.
    #[arg(long, env = "PODGATE_HTTP_PROBE_PORT", default_value_t = 8080)]
    pub http_probe_port: u16,
    /// Port of /metrics; 0 takes a free one.
    #[arg(long, env = "PODGATE_PROMETHEUS_PORT", default_value_t = 8888)]
    pub prometheus_port: u16,
    /// Form of log lines.
    #[arg(
        long,
        env = "PODGATE_LOG_FORMAT",
        default_value = "text",
        ignore_case = true
    )]
    pub log_format: LogFormat,
    /// What is logged, as in `info,podgate_controller=debug`.
    #[arg(long, env = "PODGATE_LOG", default_value = "info")]
    pub log: String,
    /// Flags without effect.
    #[command(flatten)]
    pub retired: Retired,
}

/// A host that has no name.
const NAMELESS: &str = "podgate-controller";

impl Settings {
    /// Reads a command line, the program's name first, and the environment.
    ///
    /// # Errors
    /// What is wrong with it; help and version are errors as well, by clap's way.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(dashes::doubled(&Self::command(), arguments))
    }

    /// The election that it takes part in.
    pub fn candidacy(&self) -> Candidacy {
        let given = self.leader_election_instance.clone();
        Candidacy {
            namespace: self.leader_election_namespace.clone(),
            name: self.leader_election_name.clone(),
            instance: given.filter(|name| !name.is_empty()).unwrap_or_else(host),
            duration: self.leader_election_duration,
        }
    }

    /// What the plan keeps to. `own` is the identity that the controller itself is, which is never taken off a node.
    pub fn plan(&self, own: Option<&ClientId>) -> plan::Settings {
        let immutable = self.immutable_user_msis.iter().chain(own).cloned();
        plan::Settings {
            rules: Rules {
                namespaced: self.force_namespaced,
            },
            linger: self.removal_linger.get(),
            coalesce: self.coalesce.get(),
            drift: self.identity_assignment_reconcile_interval.get(),
            immutable: immutable.collect(),
        }
    }

    /// How the controller calls itself in calls to Azure.
    pub fn user_agent(&self) -> HeaderValue {
        let own = concat!("podgate-controller/", env!("CARGO_PKG_VERSION"));
        let whole = format!("{own} {}", self.custom_user_agent);
        // What is custom was checked when it was read.
        HeaderValue::from_str(whole.trim_end()).unwrap_or(HeaderValue::from_static(own))
    }
}

fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    match name.is_empty() {
        true => NAMELESS.to_owned(),
        false => name.into_owned(),
    }
}

/// Variables that look like this program's and are read by nobody: most likely mistyped.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let command = Settings::command();
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names
        .filter(|name| name.starts_with("PODGATE_") && !known.contains(name))
        .collect()
}

#[cfg(test)]
mod tests;
