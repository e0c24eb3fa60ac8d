//! Measurements.

pub mod bare;
pub mod controller;
pub mod load;
pub mod proc;
pub mod report;
pub mod requests;
pub mod start;
pub mod worlds;
