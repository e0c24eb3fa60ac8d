//! A plugin as its operator describes it: component, settings, grants, limits.

use std::time::Duration;

use bytes::Bytes;

/// The most linear memory an operator may allow one instance: the pool reserves so much address space for each.
pub const MAX_MEMORY: usize = 512 * 1024 * 1024;

/// The most elements an operator may allow one table, for the same reason.
pub const MAX_TABLE_ELEMENTS: usize = 128 * 1024;

/// The longest component that is compiled, in bytes: CPython with a plugin has 18 MB.
pub const MAX_COMPONENT: usize = 64 * 1024 * 1024;

/// What is loaded.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The name in logs, metrics and errors.
    pub name: String,
    /// The component's binary.
    pub component: Bytes,
    /// Its settings as JSON text, `{}` where there are none.
    pub settings: String,
    /// What it may do besides deciding.
    pub grants: Grants,
    /// What it may use up.
    pub limits: Limits,
    /// How long its instances live.
    pub instances: Instances,
}

/// How long an instance of a plugin lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// For one call: none sees what another one left.
    #[default]
    Fresh,
    /// For up to a thousand calls that succeed: each costs a fraction, and what a plugin keeps in its memory of one pod's request
    /// is there at another's. Of policy and cache plugins only.
    Kept,
}

/// What an operator allows a plugin beyond the log (and, for credential plugins, the identity's key and
/// authority).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Read the node's clock. A policy with a clock is asked each time.
    pub clock: bool,
    /// Send HTTPS requests to these hosts: `host` (port 443) or `host:port`, compared exactly.
    pub http_hosts: Vec<String>,
    /// Have tokens of the gateway's own service account for these audiences, compared exactly.
    pub service_account: Vec<String>,
    /// Answer `bypass`: give a pod the node's own identities.
    pub bypass: bool,
}

/// What one call may use up. Each default stands beside its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance; at most [`MAX_MEMORY`]. 8 MiB: five times what a Rust
    /// component with a 1 MiB stack begins with. Languages with a runtime need more (Python: 13 MiB and more). To touch
    /// twice as much until it is refused took 10 ms of kernel time a call, which others felt.
    pub memory: usize,
    /// Elements of one table; at most [`MAX_TABLE_ELEMENTS`]. 32,768: a Rust component has some hundreds, CPython about ten thousand.
    pub table_elements: usize,
    /// The whole call by the clock on the wall: waiting for a place and for a processor, a fresh instance, `configure`, the
    /// question, host calls. 2 s: a node that is busy delays a healthy plugin by so much, and SDKs wait longer.
    pub call: Duration,
    /// What the guest may have of a processor in one call, looked at every 2 ms. 100 ms: 5,000 times a usual call.
    pub cpu: Duration,
    /// Bytes of an answer. 64 KiB: the longest token that Entra ID makes is a quarter of it.
    pub answer: usize,
    /// Log lines of one call. 32: one per step of a long decision; the rest is dropped with a count.
    pub log_lines: usize,
    /// Bytes of all log lines of one call. 8 KiB: 32 lines of usual length.
    pub log_bytes: usize,
    /// HTTP requests of one call. 8: a token takes one or two, a discovery and retries some more.
    pub http_requests: usize,
    /// Bytes of the body of one HTTP answer. 256 KiB: an answer with the longest token, several times over.
    pub http_body: usize,
}

// === impl Limits ===

impl Limits {
    /// The defaults of a credential plugin, whose call contains a round trip to the authority: 15 s, within
    /// the 30 s that the impatient SDKs wait; and signatures: 500 ms, a hundred of the slowest.
    pub fn credential() -> Self {
        Self {
            call: Duration::from_secs(15),
            cpu: Duration::from_millis(500),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    /// The defaults of a policy or cache plugin.
    fn default() -> Self {
        Self {
            memory: 8 * 1024 * 1024,
            table_elements: 32 * 1024,
            call: Duration::from_secs(2),
            cpu: Duration::from_millis(100),
            answer: 64 * 1024,
            log_lines: 32,
            log_bytes: 8 * 1024,
            http_requests: 8,
            http_body: 256 * 1024,
        }
    }
}
