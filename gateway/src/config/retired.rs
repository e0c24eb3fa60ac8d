//! Flags of the old gateway that mean nothing here. They are taken, so that an old manifest starts, and
//! each one that is given is named in the log with what does its work now.

use clap::{ArgAction, Args};

/// The flags, hidden from the short help.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Of the old gateway, without effect")]
pub struct Retired {
    /// The gateway keeps no rules of the node's firewall.
    #[arg(long, hide_short_help = true, value_name = "SECONDS")]
    pub ipt_update_interval_sec: Option<String>,
    /// No namespace's pods are let through by their name; an AzurePodIdentityException does that.
    #[arg(
        long = "MICNamespace",
        hide_short_help = true,
        value_name = "NAMESPACE"
    )]
    pub mic_namespace: Option<String>,
    /// There is no profiler on any port.
    #[arg(long = "enableProfile", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_profile: Option<String>,
    /// Watches are always limited to what is needed.
    #[arg(long = "enableScaleFeatures", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_scale_features: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_conntrack_deletion: Option<String>,
    /// Calls to IMDS carry no user agent of the operator's.
    #[arg(long, hide_short_help = true, value_name = "TEXT")]
    pub custom_user_agent: Option<String>,
    /// The gateway looks at no network plugin.
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub allow_network_plugin_kubenet: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub kubelet_config: Option<String>,
    /// Use --log.
    #[arg(short = 'v', long = "v", hide_short_help = true, value_name = "LEVEL")]
    pub verbosity: Option<String>,
    /// Logs always go to standard error.
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", action = ArgAction::Set)]
    pub logtostderr: Option<String>,
}

impl Retired {
    /// Each flag that was given, with why it does nothing.
    pub fn given(&self) -> Vec<(&'static str, &'static str)> {
        [
            (
                &self.ipt_update_interval_sec,
                "--ipt-update-interval-sec",
                "the gateway keeps no firewall rules",
            ),
            (
                &self.mic_namespace,
                "--MICNamespace",
                "use an AzurePodIdentityException",
            ),
            (
                &self.enable_profile,
                "--enableProfile",
                "there is no profiler",
            ),
            (
                &self.enable_scale_features,
                "--enableScaleFeatures",
                "watches are always limited",
            ),
            (
                &self.enable_conntrack_deletion,
                "--enable-conntrack-deletion",
                "the gateway keeps no firewall rules",
            ),
            (
                &self.custom_user_agent,
                "--custom-user-agent",
                "calls carry no user agent of the operator's",
            ),
            (
                &self.allow_network_plugin_kubenet,
                "--allow-network-plugin-kubenet",
                "no network plugin is looked at",
            ),
            (
                &self.kubelet_config,
                "--kubelet-config",
                "no network plugin is looked at",
            ),
            (&self.verbosity, "-v", "use --log"),
            (
                &self.logtostderr,
                "--logtostderr",
                "logs always go to standard error",
            ),
        ]
        .into_iter()
        .filter(|(value, _, _)| value.is_some())
        .map(|(_, flag, why)| (flag, why))
        .collect()
    }
}
