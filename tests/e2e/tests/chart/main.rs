//! The helm chart: its roles are those of the documents, and a real API server takes what it makes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod arguments;
mod bare;
mod examples;
mod flux;
mod guard;
mod helm;
mod lease;
mod roles;
mod server;
mod uninstall;
