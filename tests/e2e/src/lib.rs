//! podgate from outside: a stage with azure-sim and a gateway on it, and real clients before it.
#![allow(
    clippy::missing_errors_doc,
    reason = "a stage that cannot be set ends its test with the reason"
)]

pub mod bench;
pub mod demo;
pub mod load;
pub mod node;
pub mod process;
pub mod sdk;
pub mod stage;
