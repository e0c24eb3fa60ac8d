//! The plan against a model of the API server and of Azure.

mod cost;
mod guards;
mod model;
mod properties;
mod review;
mod scenarios;
mod second_review;
