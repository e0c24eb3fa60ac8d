//! Entra with client assertions: each thing that can be wrong with one.

pub(crate) mod builder;
mod certificates;
mod claims;
