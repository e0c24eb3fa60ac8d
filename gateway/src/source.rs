//! Where the world comes from.

use async_trait::async_trait;

use crate::world::World;

mod cluster;
mod folder;
mod manifest;

pub(crate) use cluster::is_object_name;
pub use cluster::{Cluster, InvalidNodeName, NodeName};
pub use folder::Folder;

#[cfg(fuzzing)]
pub(crate) use manifest::read as read_manifest;

/// Fills a [`World`] and keeps it up to date: a folder in standalone mode, else the API server. What comes after sees
/// no difference.
#[async_trait]
pub trait Source: Send {
    /// Runs for good. Calls [`World::complete`] once the first complete state is in.
    ///
    /// # Errors
    /// Only what no later event could mend; anything else is logged, counted and retried.
    async fn run(self: Box<Self>, world: World) -> anyhow::Result<()>;
}
