//! azure-sim as its users see it: over real connections.
#![allow(clippy::unwrap_used, reason = "tests")]

mod admin;
mod arm;
mod assertion;
mod client;
mod entra;
mod faults;
mod federation;
mod fixtures;
mod imds;
mod program;
mod setup;
