//! Measurements.

pub mod bare;
pub mod chains;
pub mod containment;
pub mod controller;
pub mod load;
pub mod loads;
mod native;
pub mod proc;
mod questions;
pub mod report;
pub mod requests;
pub mod start;
mod timing;
pub mod worlds;
