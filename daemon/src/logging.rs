//! Log lines, for people or for machines.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error.
///
/// # Errors
/// The filter is malformed.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = read(filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => lines
            .with_target(false)
            .with_ansi(stderr().is_terminal())
            .init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .init(),
    }
    Ok(())
}

fn read(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter:?}; write `info` or `info,podgate_watch=debug`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_filter_is_told_with_a_right_one() {
        assert!(read("info,podgate_gateway=debug").is_ok());
        let error = read("loud,=").unwrap_err().to_string();
        assert!(error.contains("info,podgate_watch=debug"), "{error}");
    }
}
