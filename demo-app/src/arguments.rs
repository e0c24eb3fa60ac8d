//! The arguments of all three generations of the old demonstration.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser};
use jiff::SignedDuration;

const RESOURCE: &str = "https://management.azure.com/";

/// Asks for tokens of a pod's identity, and says what it got.
#[derive(Debug, Parser)]
#[command(name = "podgate-demo-app", version, about, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Time between rounds, as in `100s` or `1m40s`.
    #[arg(long, default_value = "100s", value_parser = duration)]
    period: Duration,
    /// What the tokens are for.
    #[arg(long, default_value = RESOURCE)]
    resource_name: String,
    /// Subscription whose virtual machines are listed; empty lists none.
    #[arg(long, default_value = "")]
    subscription_id: String,
    /// Resource group whose virtual machines are listed.
    #[arg(long, default_value = "")]
    resource_group: String,
    /// Client id of the identity that is asked for; empty names none.
    #[arg(long, default_value = "")]
    identity_client_id: String,
    #[command(flatten)]
    first: FirstGeneration,
    /// Whose log lines to write: 1 is the old demonstration up to 1.7.1, 2 is 1.7.2 to 1.8.7, 3 what came after. Without
    /// it, 1 if an argument of the first is given, else 3.
    #[arg(long, env = "DEMO_GENERATION", value_parser = clap::value_parser!(u8).range(1..=3))]
    generation: Option<u8>,
    /// End after one round, with code 0 if it got everything: for Jobs and init containers.
    #[arg(long)]
    pub(crate) once: bool,
    /// Where the metadata service is.
    #[arg(long, default_value = "http://169.254.169.254")]
    imds_url: String,
    /// Where Azure Resource Manager is.
    #[arg(long, default_value = RESOURCE)]
    arm_url: String,
    /// PEM file with further certificate authorities for it.
    #[arg(long)]
    ca_file: Option<PathBuf>,
}

/// As the demonstration up to 1.7.1 had them.
#[derive(Debug, Args)]
struct FirstGeneration {
    /// --subscription-id of the first generation.
    #[arg(long = "subscriptionid", hide_short_help = true)]
    subscription: Option<String>,
    /// --resource-group of the first generation.
    #[arg(long = "resourcegroup", hide_short_help = true)]
    group: Option<String>,
    /// --identity-client-id of the first generation.
    #[arg(long = "clientid", hide_short_help = true)]
    client_id: Option<String>,
    /// --resource-name of the first generation.
    #[arg(long = "aad-resourcename", hide_short_help = true)]
    resource: Option<String>,
    /// --period of the first generation, in seconds (20).
    #[arg(long = "retry-wait-time", hide_short_help = true)]
    wait: Option<u32>,
}

/// Whose words are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Up to 1.7.1: counts virtual machines, and asks with and without naming the identity.
    First,
    /// 1.7.2 to 1.8.7: the same, in other words.
    Second,
    /// From 1.8.8 on: only by the identity's name.
    Third,
}

/// What a run does.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) generation: Generation,
    pub(crate) period: Duration,
    pub(crate) resource: String,
    /// Empty: nothing is listed.
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) client_id: Option<String>,
    pub(crate) imds_url: String,
    pub(crate) arm_url: String,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Arguments {
    /// Both spellings of each argument in one.
    pub(crate) fn settings(self) -> Settings {
        let generation = self.generation();
        let seconds = |wait: u32| Duration::from_secs(wait.into());
        let period = match generation {
            Generation::First => seconds(self.first.wait.unwrap_or(20)),
            Generation::Second | Generation::Third => self.first.wait.map_or(self.period, seconds),
        };
        let client_id = self.first.client_id.unwrap_or(self.identity_client_id);
        Settings {
            generation,
            period,
            resource: self.first.resource.unwrap_or(self.resource_name),
            subscription: self.first.subscription.unwrap_or(self.subscription_id),
            group: self.first.group.unwrap_or(self.resource_group),
            client_id: Some(client_id).filter(|id| !id.is_empty()),
            imds_url: self.imds_url,
            arm_url: self.arm_url,
            ca_file: self.ca_file,
        }
    }

    fn generation(&self) -> Generation {
        match self.generation {
            Some(1) => Generation::First,
            Some(2) => Generation::Second,
            None if self.first.is_given() => Generation::First,
            _ => Generation::Third,
        }
    }
}

impl FirstGeneration {
    fn is_given(&self) -> bool {
        let texts = [
            &self.subscription,
            &self.group,
            &self.client_id,
            &self.resource,
        ];
        self.wait.is_some() || texts.into_iter().any(Option::is_some)
    }
}

/// Go's flags are taken with one hyphen as well: `-period 100s`.
pub(crate) fn with_two_hyphens(words: impl Iterator<Item = String>) -> Vec<String> {
    let is_long = |word: &str| {
        let mut characters = word.chars();
        characters.next() == Some('-')
            && characters.next().is_some_and(char::is_alphabetic)
            && characters.next().is_some()
    };
    words
        .map(|word| match is_long(&word) {
            true => format!("-{word}"),
            false => word,
        })
        .collect()
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration: SignedDuration = text.parse()?;
    let positive = Duration::try_from(duration).ok();
    positive
        .filter(|duration| !duration.is_zero())
        .context("it has to be longer than nothing")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn mk_settings(words: &[&str]) -> Settings {
        let words = ["demo"].iter().chain(words).map(|word| (*word).to_owned());
        Arguments::try_parse_from(with_two_hyphens(words))
            .unwrap()
            .settings()
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_first_generations_arguments_choose_its_words_and_its_pace() {
        let settings = mk_settings(&[
            "--subscriptionid=s",
            "--clientid=c",
            "--resourcegroup=g",
            "--aad-resourcename=https://vault.azure.net",
        ]);
        assert_eq!(settings.generation, Generation::First);
        assert_eq!(settings.period, Duration::from_secs(20));
        assert_eq!(
            (settings.subscription.as_str(), settings.group.as_str()),
            ("s", "g")
        );
        assert_eq!(settings.client_id.as_deref(), Some("c"));
        assert_eq!(settings.resource, "https://vault.azure.net");
    }

    #[test]
    fn the_later_generations_arguments_work_with_one_hyphen_too() {
        let settings = mk_settings(&["-period", "1m40s", "-identity-client-id=c"]);
        assert_eq!(settings.generation, Generation::Third);
        assert_eq!(settings.period, Duration::from_secs(100));
        assert_eq!(settings.client_id.as_deref(), Some("c"));
        assert_eq!(settings.resource, RESOURCE);
    }

    #[test]
    fn the_second_generation_has_to_be_asked_for_as_its_arguments_are_the_thirds() {
        let settings = mk_settings(&["--generation=2", "--subscription-id=s"]);
        assert_eq!(settings.generation, Generation::Second);
    }

    #[test]
    fn no_time_is_no_period() {
        for period in ["0s", "-5s", "soon"] {
            let words = ["demo".to_owned(), format!("--period={period}")];
            assert!(Arguments::try_parse_from(words).is_err(), "{period}");
        }
    }
}
