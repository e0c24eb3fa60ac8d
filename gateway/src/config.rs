//! Flags, each with an environment twin. What the old gateway had keeps its name.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, CommandFactory, Parser, ValueEnum};
use podgate_azure::cloud::{Authority, AuthorityHosts, Cloud};
use podgate_azure::entra::EndpointVersion;

use crate::assignment::{DefaultIdentity, Mode, Rules};
use crate::host;
use crate::reply::ErrorFormat;
use crate::source::NodeName;
use crate::world::IdentityRules;

mod components;
pub mod plugins;
mod retired;

pub use components::Components;
pub use podgate_daemon::logging::LogFormat;
pub use podgate_daemon::values::{seconds_or_unit, switch};
pub use retired::Retired;

/// The gateway of a node: answers its pods' requests for tokens.
///
/// Most flags can be given in the environment as well; `--help` names the variable.
#[derive(Clone, Debug, Parser)]
#[command(name = "podgate-gateway", version, max_term_width = 110)]
#[command(group(ArgGroup::new("source").required(true).args(["standalone", "node"])))]
pub struct Config {
    /// Address the gateway listens on for pods.
    #[arg(
        long,
        env = "PODGATE_NMI_LISTEN_ADDRESS",
        default_value = "127.0.0.1",
        alias = "listen-address"
    )]
    pub nmi_listen_address: IpAddr,
    /// Port the gateway listens on for pods; 0 takes a free one.
    #[arg(long, env = "PODGATE_NMI_PORT", default_value_t = 2579, alias = "port")]
    pub nmi_port: u16,
    /// Let another gateway have the same ports at the same time, so that one takes over from the other without a lost
    /// request; on by default on a node, off in standalone mode, where a second one is a mistake.
    #[arg(long, env = "PODGATE_SHARE_PORT", action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub share_port: Option<bool>,
    /// Serve /host/token, for CSI drivers and the like, on a Unix socket at this path: to root and --host-token-uids.
    #[arg(long, env = "PODGATE_HOST_TOKEN_SOCKET", value_name = "PATH")]
    pub host_token_socket: Option<PathBuf>,
    /// Users besides root who may ask for any pod's token there.
    #[arg(
        long,
        env = "PODGATE_HOST_TOKEN_UIDS",
        value_delimiter = ',',
        value_name = "UIDS"
    )]
    pub host_token_uids: Vec<u32>,
    /// Serve /host/token on this port of 127.0.0.1 too, as the old gateway did (it used 2579). Every pod with
    /// hostNetwork can then ask for any pod's token.
    #[arg(long, env = "PODGATE_HOST_TOKEN_LOOPBACK", num_args = 0..=1, require_equals = true,
          default_missing_value = "2579", value_name = "PORT")]
    pub host_token_loopback: Option<u16>,
    /// Address of the instance metadata service.
    #[arg(long, env = "PODGATE_METADATA_IP", default_value = "169.254.169.254")]
    pub metadata_ip: IpAddr,
    /// Port of the instance metadata service.
    #[arg(long, env = "PODGATE_METADATA_PORT", default_value_t = 80)]
    pub metadata_port: u16,
    /// Further values of the Host header that are served, besides the metadata address and the listener's.
    #[arg(long, env = "PODGATE_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Requests need the header `Metadata: true`.
    #[arg(long, env = "PODGATE_METADATA_HEADER_REQUIRED", default_value_t = true, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub metadata_header_required: bool,
    /// Refuse /metadata/instance to pods.
    #[arg(long, env = "PODGATE_BLOCK_INSTANCE_METADATA", default_value_t = false, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub block_instance_metadata: bool,

    /// Standalone mode: pods, identities, bindings, exceptions and secrets from the YAML files of this
    /// folder, watched, instead of from a cluster.
    #[arg(long, env = "PODGATE_STANDALONE", value_name = "FOLDER")]
    pub standalone: Option<PathBuf>,
    /// Name of the node whose pods are served; pods, identities, bindings, exceptions and secrets come from the API
    /// server. Exactly one of --standalone and --node is given.
    #[arg(long, env = "PODGATE_NODE", value_name = "NAME")]
    pub node: Option<NodeName>,
    /// Where the API server is, and the credentials for it, instead of the ServiceAccount of the gateway's pod.
    #[arg(
        long,
        env = "PODGATE_KUBECONFIG",
        value_name = "FILE",
        conflicts_with = "standalone"
    )]
    pub kubeconfig: Option<PathBuf>,
    /// Who says that an identity may be used: the controller (standard) or the binding alone (managed).
    #[arg(
        long,
        env = "PODGATE_OPERATION_MODE",
        default_value = "standard",
        ignore_case = true
    )]
    pub operation_mode: Mode,
    /// Pod, binding and identity must share a namespace. `=false` is the old gateway's default, by which any
    /// namespace's pods can take any namespace's identities by a label.
    #[arg(long = "forceNamespaced", env = "FORCENAMESPACED", default_value_t = true, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", alias = "force-namespaced")]
    pub force_namespaced: bool,
    /// What a pod gets that has several identities and names none.
    #[arg(
        long,
        env = "PODGATE_DEFAULT_IDENTITY",
        default_value = "refuse",
        ignore_case = true
    )]
    pub default_identity: DefaultIdentity,
    /// Form of error bodies: `text` is the old gateway's.
    #[arg(
        long,
        env = "PODGATE_ERROR_FORMAT",
        default_value = "json",
        ignore_case = true
    )]
    pub error_format: ErrorFormat,
    /// How long a request waits for its pod to appear.
    #[arg(long, env = "PODGATE_POD_WAIT", default_value = "5s", value_parser = seconds_or_unit)]
    pub pod_wait: Duration,
    /// How long a request waits for an identity that is on its way.
    #[arg(long, env = "PODGATE_ASSIGNMENT_WAIT", default_value = "10s", value_parser = seconds_or_unit)]
    pub assignment_wait: Duration,

    /// The cloud whose login host identities without adEndpoint use.
    #[arg(long, env = "PODGATE_CLOUD", default_value = "AzurePublicCloud")]
    pub cloud: Cloud,
    /// Login URL that replaces the cloud's.
    #[arg(long, env = "PODGATE_AUTHORITY")]
    pub authority: Option<Authority>,
    /// Further login hosts that an identity's adEndpoint may name.
    #[arg(long, env = "PODGATE_AUTHORITY_HOSTS", value_delimiter = ',')]
    pub authority_hosts: Vec<String>,
    /// Token endpoint for client secrets.
    #[arg(
        long,
        env = "PODGATE_ENDPOINT",
        default_value = "v1",
        ignore_case = true
    )]
    pub endpoint: Endpoint,
    /// PEM file with further certificate authorities for login hosts.
    #[arg(long, env = "PODGATE_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Let an identity name a Secret of another namespace, as the old gateway did.
    #[arg(long, env = "PODGATE_ALLOW_FOREIGN_SECRETS", default_value_t = false, action = ArgAction::Set, value_parser = switch,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_foreign_secrets: bool,

    /// Plugins file (the ConfigMap's key plugins.yaml). Without it the three built-in plugins run.
    #[arg(long, env = "PODGATE_PLUGINS")]
    pub plugins: Option<PathBuf>,
    /// Folder for compiled plugins; without it they are compiled at each start.
    #[arg(long, env = "PODGATE_CODE_CACHE")]
    pub code_cache: Option<PathBuf>,
    /// Where components come from.
    #[command(flatten)]
    pub components: Components,

    /// Address of the admin port: health, readiness, metrics, explain.
    #[arg(long, env = "PODGATE_ADMIN_ADDRESS", default_value = "127.0.0.1")]
    pub admin_address: IpAddr,
    /// Admin port; 0 takes a free one.
    #[arg(
        long,
        env = "PODGATE_HTTP_PROBE_PORT",
        default_value_t = 8085,
        alias = "admin-port"
    )]
    pub http_probe_port: u16,
    /// Serve the admin port's pages on a Unix socket at this path too, to root and the gateway's own user. During an update
    /// two gateways share the port; `podgate-gateway ready` asks the one whose socket it is given.
    #[arg(long, env = "PODGATE_ADMIN_SOCKET", value_name = "PATH")]
    pub admin_socket: Option<PathBuf>,

    /// Form of log lines.
    #[arg(
        long,
        env = "PODGATE_LOG_FORMAT",
        default_value = "text",
        ignore_case = true
    )]
    pub log_format: LogFormat,
    /// What is logged, as in `info,podgate_gateway=debug`.
    #[arg(long, env = "PODGATE_LOG", default_value = "info")]
    pub log: String,

    /// Tries for an identity in state Created, of the old gateway: with the interval it gives the wait.
    #[arg(
        long,
        env = "PODGATE_RETRY_ATTEMPTS_FOR_CREATED",
        hide_short_help = true
    )]
    pub retry_attempts_for_created: Option<u32>,
    /// Tries for an identity in state Assigned, of the old gateway.
    #[arg(
        long,
        env = "PODGATE_RETRY_ATTEMPTS_FOR_ASSIGNED",
        hide_short_help = true
    )]
    pub retry_attempts_for_assigned: Option<u32>,
    /// Seconds between such tries.
    #[arg(
        long,
        env = "PODGATE_FIND_IDENTITY_RETRY_INTERVAL",
        default_value_t = 5,
        hide_short_help = true
    )]
    pub find_identity_retry_interval: u32,
    /// Accepted for the old gateway's sake: 503 always carries Retry-After.
    #[arg(long, env = "PODGATE_SET_RETRY_AFTER_HEADER", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", hide_short_help = true)]
    pub set_retry_after_header: Option<bool>,
    /// Also serve /metrics on this port, as the old gateway did (it used 9090).
    #[arg(long, env = "PODGATE_PROMETHEUS_PORT", hide_short_help = true)]
    pub prometheus_port: Option<u16>,
    /// Flags without effect.
    #[command(flatten)]
    pub retired: Retired,
}

/// Token endpoint of Microsoft Entra ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Endpoint {
    /// `oauth2/token`: what the old gateway used.
    V1,
    /// `oauth2/v2.0/token`
    V2,
}

/// No wait is longer, whatever the old flags say: Go's SDK gives a try 60 s, and others less.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

impl Config {
    /// The rules of `assignment`.
    pub fn assignment_rules(&self) -> Rules {
        Rules {
            mode: self.operation_mode,
            namespaced: self.force_namespaced,
            default_identity: self.default_identity,
            wait: self.wait(),
        }
    }

    fn wait(&self) -> Duration {
        let tries = self
            .retry_attempts_for_created
            .map(|created| created.saturating_add(self.retry_attempts_for_assigned.unwrap_or(0)));
        let old = tries.map(|tries| {
            Duration::from_secs(u64::from(tries) * u64::from(self.find_identity_retry_interval))
        });
        old.unwrap_or(self.assignment_wait).min(LONGEST_WAIT)
    }

    /// Whether another gateway may have the pods' port at the same time.
    pub fn shares_port(&self) -> bool {
        self.share_port.unwrap_or(self.node.is_some())
    }

    /// The listeners of the node's own drivers.
    pub fn host_token(&self) -> host::Settings {
        host::Settings {
            socket: self.host_token_socket.clone(),
            uids: self.host_token_uids.clone(),
            loopback: self.host_token_loopback,
            shared: self.shares_port(),
        }
    }

    /// The rules of identities.
    pub fn identity_rules(&self) -> IdentityRules {
        let authority = self
            .authority
            .clone()
            .unwrap_or_else(|| self.cloud.authority());
        let own = authority.host().to_owned();
        let hosts = self.authority_hosts.iter().cloned().chain([own]);
        IdentityRules {
            hosts: AuthorityHosts::with(hosts),
            authority,
            foreign_secrets: self.allow_foreign_secrets,
        }
    }

    /// The values of Host that are served; `listening` is the listener's real address.
    pub fn hosts(&self, listening: SocketAddr) -> Vec<String> {
        let metadata = SocketAddr::new(self.metadata_ip, self.metadata_port);
        let mut hosts = self.allowed_hosts.clone();
        for address in [metadata, listening] {
            hosts.push(address.to_string());
            if address.port() == 80 {
                hosts.push(bare(address.ip()));
            }
        }
        hosts.extend(["169.254.169.254", "169.254.169.254:80"].map(str::to_owned));
        hosts
    }
}

/// An address as a Host header has it.
fn bare(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Variables that look like this program's and are read by nobody: most likely mistyped.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let command = Config::command();
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names
        .filter(|name| name.starts_with("PODGATE_") && !name.starts_with("PODGATE_INTERCEPT_"))
        .filter(|name| !known.contains(name))
        .collect()
}

impl From<Endpoint> for EndpointVersion {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::V1 => Self::V1,
            Endpoint::V2 => Self::V2,
        }
    }
}

#[cfg(test)]
mod tests;
