//! Flags of the old controller that mean nothing here. They are taken, so that an old manifest starts, and
//! each one that is given is named in the log with what does its work now.

use clap::Args;

/// The flags, hidden from the short help.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Of the old controller, without effect")]
pub struct Retired {
    /// There is no profiler on any port.
    #[arg(long = "enableProfile", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_profile: Option<String>,
    /// Watches are always limited to what is needed.
    #[arg(long = "enableScaleFeatures", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_scale_features: Option<String>,
    /// Objects are read as they are; none is rewritten at the start.
    #[arg(long = "enable-type-upgrade", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub enable_type_upgrade: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub config_map_name: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "KEY")]
    pub type_upgrade_status_key: Option<String>,
    /// What Azure refuses is tried again later and later, each identity by itself.
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub update_user_msi_max_retry: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "DURATION")]
    pub update_user_msi_retry_interval: Option<String>,
    /// Use --log.
    #[arg(short = 'v', long = "v", hide_short_help = true, value_name = "LEVEL")]
    pub verbosity: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "PATTERNS")]
    pub vmodule: Option<String>,
    /// Logs always go to standard error.
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub logtostderr: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub alsologtostderr: Option<String>,
    /// As above.
    #[arg(long, hide_short_help = true, value_name = "LEVEL")]
    pub stderrthreshold: Option<String>,
    /// As above.
    #[arg(long = "log_dir", hide_short_help = true, value_name = "FOLDER")]
    pub log_dir: Option<String>,
    /// As above.
    #[arg(long = "log_file", hide_short_help = true, value_name = "FILE")]
    pub log_file: Option<String>,
    /// As above.
    #[arg(long = "log_file_max_size", hide_short_help = true, value_name = "MIB")]
    pub log_file_max_size: Option<String>,
    /// As above.
    #[arg(long = "one_output", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub one_output: Option<String>,
    /// Use --log-format.
    #[arg(long = "add_dir_header", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub add_dir_header: Option<String>,
    /// As above.
    #[arg(long = "skip_headers", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub skip_headers: Option<String>,
    /// As above.
    #[arg(long = "skip_log_headers", hide_short_help = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub skip_log_headers: Option<String>,
    /// Log lines carry no stack.
    #[arg(
        long = "log_backtrace_at",
        hide_short_help = true,
        value_name = "PLACE"
    )]
    pub log_backtrace_at: Option<String>,
}

const STDERR: &str = "logs always go to standard error";
const FORMAT: &str = "use --log-format";
const UPGRADE: &str = "objects are read as they are, none is rewritten at the start";
const RETRY: &str = "what Azure refuses is tried again later and later, each identity by itself";

impl Retired {
    /// Each flag that was given, with why it does nothing.
    pub fn given(&self) -> Vec<(&'static str, &'static str)> {
        let flags = [
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
            (&self.enable_type_upgrade, "--enable-type-upgrade", UPGRADE),
            (&self.config_map_name, "--config-map-name", UPGRADE),
            (
                &self.type_upgrade_status_key,
                "--type-upgrade-status-key",
                UPGRADE,
            ),
            (
                &self.update_user_msi_max_retry,
                "--update-user-msi-max-retry",
                RETRY,
            ),
            (
                &self.update_user_msi_retry_interval,
                "--update-user-msi-retry-interval",
                RETRY,
            ),
            (&self.verbosity, "-v", "use --log"),
            (&self.vmodule, "--vmodule", "use --log"),
            (&self.logtostderr, "--logtostderr", STDERR),
            (&self.alsologtostderr, "--alsologtostderr", STDERR),
            (&self.stderrthreshold, "--stderrthreshold", STDERR),
            (&self.log_dir, "--log_dir", STDERR),
            (&self.log_file, "--log_file", STDERR),
            (&self.log_file_max_size, "--log_file_max_size", STDERR),
            (&self.one_output, "--one_output", STDERR),
            (&self.add_dir_header, "--add_dir_header", FORMAT),
            (&self.skip_headers, "--skip_headers", FORMAT),
            (&self.skip_log_headers, "--skip_log_headers", FORMAT),
            (
                &self.log_backtrace_at,
                "--log_backtrace_at",
                "log lines carry no stack",
            ),
        ];
        let given = flags.into_iter().filter(|(value, _, _)| value.is_some());
        given.map(|(_, flag, why)| (flag, why)).collect()
    }
}
