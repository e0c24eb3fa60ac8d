//! Where the world comes from.

use async_trait::async_trait;

use crate::readiness::Pending;
use crate::world::World;

mod folder;
mod manifest;

pub use folder::Folder;

/// Fills a [`World`] and keeps it up to date. A folder in standalone mode; what comes after sees no difference.
#[async_trait]
pub trait Source: Send {
    /// Runs for good. Drops `first` once the first complete state is in: the gateway is not ready before.
    ///
    /// # Errors
    /// Only what no later event could mend; anything else is logged, counted and retried.
    async fn run(self: Box<Self>, world: World, first: Pending) -> anyhow::Result<()>;
}
