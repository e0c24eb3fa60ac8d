//! Holding interception in place for as long as the process runs, and leaving it there afterwards.

mod pace;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use self::pace::Pace;
use crate::cli::Watch;
use crate::events::{Change, Events};
use crate::firewall::Firewall;
use crate::owner::Owner;
use crate::plan::Plan;
use crate::startup::Startup;

/// A net below the events: they can be lost, and the old agent's tables are nobody's event.
const LOOK: Duration = Duration::from_secs(30);
/// iptables-legacy tells nobody of changes. What they open in between, the routing rules keep closed.
const LOOK_WITHOUT_EVENTS: Duration = Duration::from_secs(1);
/// Between tries to restore what could not be restored.
const RETRY: Duration = Duration::from_secs(1);
/// The ending of the process must fit into a pod's usual 30 s.
const FAREWELL: Duration = Duration::from_secs(15);

/// Holds interception in place until a signal ends it.
///
/// # Errors
/// The first apply failed, or the API server's address is unknown. Later failures are logged and tried again.
pub(crate) async fn watch(options: Watch) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    // Before the first look, so that no change falls in between.
    let events = Events::subscribe().context("subscribing to the kernel's changes")?;
    let firewall = Firewall::closed(options.rules.clone()).await?;
    firewall.apply().await?;
    let mut guard = Guard {
        held: firewall.plan().await?,
        firewall,
        pace: Pace::default(),
        restored: 0,
    };
    // After the rules: a mistake here must not leave the node open.
    let owner = Owner::new(&options).await?;
    let startup = Startup::new(&options).await?;
    tokio::select! {
        () = guard.hold(events) => {}
        () = owner.observe() => {}
        () = startup.finish() => {}
        () = signals.next() => {}
    }
    say_farewell(guard.firewall, &owner).await?;
    Ok(ExitCode::SUCCESS)
}

/// Rules go only with the DaemonSet; in doubt they stay.
async fn say_farewell(firewall: Firewall, owner: &Owner) -> Result<()> {
    match timeout(FAREWELL, owner.is_ending()).await.unwrap_or(false) {
        true => firewall.remove().await,
        false => {
            tracing::info!("ending; interception stays in place");
            Ok(())
        }
    }
}

/// What keeps interception as it should be.
struct Guard {
    firewall: Firewall,
    held: Plan,
    pace: Pace,
    restored: u64,
}

impl Guard {
    /// Runs until it is dropped.
    async fn hold(&mut self, mut events: Events) {
        let mut look = interval(match self.firewall.has_events() {
            true => LOOK,
            false => LOOK_WITHOUT_EVENTS,
        });
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let seen = tokio::select! {
                told = events.next() => match told {
                    Ok(change) => self.mend(change).await,
                    Err(error) => Err(error).context("listening to the kernel's changes"),
                },
                _ = look.tick() => self.look().await,
            };
            if let Err(error) = seen {
                tracing::error!("interception is not certain, trying again: {error:#}");
                sleep(RETRY).await;
                look.reset_immediately();
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        self.mend(Change::Both).await?;
        for problem in self.firewall.take_over().await {
            // Told aloud by the first apply.
            tracing::debug!(%problem, "looking for the old agent's chain");
        }
        Ok(())
    }

    /// Looks at what may have changed, and restores it.
    async fn mend(&mut self, change: Change) -> Result<()> {
        let plan = self.firewall.plan().await?;
        if plan != self.held {
            self.held = self.firewall.restore().await?;
            tracing::info!(uplinks = ?self.held.uplinks, "the node's uplinks changed, and the rules with them");
            return Ok(());
        }
        let differences = match change {
            Change::Network => self.firewall.network_differences().await?,
            Change::Rules | Change::Both => self.firewall.differences().await?,
        };
        match differences.is_empty() {
            true => Ok(()),
            false => self.restore(&differences).await,
        }
    }

    async fn restore(&mut self, differences: &[String]) -> Result<()> {
        let wait = self.pace.next(Instant::now());
        if !wait.is_zero() {
            tracing::error!(
                wait_ms = wait.as_millis(),
                restored = self.restored,
                "something keeps changing podgate's rules; find it with `nft monitor` and `ip monitor rule`"
            );
            sleep(wait).await;
        }
        self.held = self.firewall.restore().await?;
        self.restored += 1;
        tracing::warn!(
            restored = self.restored,
            differences = differences.len(),
            first = differences[0],
            "interception was changed by somebody else and is restored"
        );
        Ok(())
    }
}

/// What ends the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
