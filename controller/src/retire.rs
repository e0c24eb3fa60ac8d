//! `podgate-controller retire`: undoes what the records speak of, before podgate is uninstalled.
//!
//! ```text
//! take the Lease ▸ list nodes and records ▸ a plan that wants nothing ▸ Azure lets go, records go ▸ keep the Lease for a while
//! ```
//! The rules of the controller at work hold here as well, since it is the same plan: what no record speaks
//! of stays, and so does what is immutable.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Parser;
use kube::Client;
use podgate_azure::arm::ArmClient;
use podgate_watch::client;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::app::azure::Azure;
use crate::apply::{Apply, Permit};
use crate::lease::{ApiStore, Clock};
use crate::logging;
use crate::metrics::Metrics;
use crate::plan::{self, Plan};
use crate::settings::{Settings, seconds_or_unit};
use census::Census;
use left::{ADVICE, Left, Troubles};
use office::Office;
use work::Work;

mod census;
mod left;
mod office;
mod work;

/// The subcommand's name.
const NAME: &str = "retire";

/// `EX_USAGE` of sysexits(3): the arguments are wrong, and a restart will not mend them.
const USAGE: u8 = 64;

/// Takes every identity that the controller has assigned off the machines, and removes its records, for an uninstall.
///
/// It takes the lease from the controller that has it, and keeps it for a minute after it is done, so that no controller
/// begins anew meanwhile. Identities that the controller did not assign, and immutable ones, stay.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "podgate-controller retire",
    version,
    max_term_width = 110,
    about,
    long_about
)]
pub struct Retire {
    /// How long it tries. What is left then is told with the reason, and the exit code is 1.
    #[arg(long, default_value = "4m", value_parser = seconds_or_unit, value_name = "DURATION")]
    pub within: Duration,
    /// What is left then loses its record all the same, and the identities that stay on machines are told.
    #[arg(long)]
    pub force: bool,
    /// Those of the controller that is to be retired.
    #[command(flatten)]
    pub settings: Settings,
}

/// Runs it, where the arguments (the program's name first) ask for it.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut words = arguments.into_iter().skip(1);
    if words.next()? != NAME {
        return None;
    }
    let name = OsString::from("podgate-controller retire");
    Some(
        match Retire::try_parse_from([name].into_iter().chain(words)) {
            Ok(options) => told(perform(&options)),
            Err(error) => {
                let _ = error.print();
                ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
            }
        },
    )
}

fn told(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podgate-controller retire: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn perform(options: &Retire) -> anyhow::Result<()> {
    logging::start(options.settings.log_format, &options.settings.log)?;
    // A core dump would hold the token that changes every machine of the cluster.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    options.run(stop).await
}

impl Retire {
    /// Until it is done, or its time is up, or it is told to stop. Unless it is done the Lease is given back at once: the
    /// controllers go on as if nothing had been.
    async fn run(&self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.within;
        let kube = client::settings(self.settings.kubeconfig.as_deref()).await?;
        let candidacy = self.settings.candidacy();
        let store = ApiStore::new(client::connect(&kube)?, &candidacy);
        let office = Office::of(store, candidacy, Clock::boot(), deadline).await?;
        let outcome = tokio::select! {
            outcome = self.in_office(&office, &kube, deadline) => outcome,
            () = stop => Err(anyhow!("told to stop before everything was undone")),
        };
        match outcome {
            Ok(()) => office.keep().await,
            Err(_) => office.give_back().await,
        }
        outcome
    }

    async fn in_office(
        &self,
        office: &Office<ApiStore>,
        kube: &kube::Config,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        let tenure = office.elected(deadline).await?;
        let permit = Permit::default();
        permit.grant(tenure.clone());
        tokio::select! {
            outcome = self.undo(kube, &permit, deadline) => outcome,
            () = tenure.ended() => bail!("the lease was lost: the API server was away, or somebody else took it; run it again"),
        }
    }

    async fn undo(
        &self,
        kube: &kube::Config,
        permit: &Permit,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        // Nobody reads them; the program ends with its work.
        let metrics = Arc::new(Metrics::new(&Arc::default()));
        let azure = Azure::new(&self.settings, &metrics);
        let access = azure.access().map_err(anyhow::Error::from);
        let own = access.as_ref().ok().and_then(|access| access.own.clone());
        let mut census = Census::new(client::connect(kube)?);
        let mut plan = Plan::new(plan::Settings {
            linger: Duration::ZERO,
            coalesce: Duration::ZERO,
            ..self.settings.plan(own.as_ref())
        });
        census.first(&mut plan, deadline).await?;
        if census.is_empty() {
            tracing::info!("there is no record: nothing is to be undone");
            return Ok(());
        }
        let arm = access.and_then(|access| azure.client(&access));
        let left = match arm {
            Ok(arm) => {
                let apply = self.apply(client::connect(kube)?, arm, permit, metrics);
                let most_writes = self.settings.create_delete_batch.get();
                let mut work = Work::new(plan, apply, most_writes);
                work.run(&mut census, deadline).await?
            }
            Err(problem) => Left::of(plan.index(), &census, &Troubles::of_all(&problem)),
        };
        self.conclude(left, &census, permit).await
    }

    fn apply(
        &self,
        writing: Client,
        arm: ArmClient,
        permit: &Permit,
        metrics: Arc<Metrics>,
    ) -> Apply {
        Apply::new(
            writing,
            arm,
            permit.clone(),
            metrics,
            self.settings.client_qps,
        )
    }

    async fn conclude(&self, left: Left, census: &Census, permit: &Permit) -> anyhow::Result<()> {
        if left.is_empty() {
            tracing::info!("every identity is off its machine, and no record is left");
            return Ok(());
        }
        if !self.force {
            bail!("{left}\n{ADVICE}");
        }
        tracing::warn!("{left}");
        tracing::warn!("forced: the records go all the same");
        census.bury(permit).await
    }
}
