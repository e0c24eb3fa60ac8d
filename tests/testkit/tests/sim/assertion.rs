//! Entra with client assertions: each thing that can be wrong with one.

mod builder;
mod certificates;
mod claims;
