//! podgate's one door: every job of a developer and of CI is a sub-command of `cargo xtask`.
//!
//! It is what a fresh clone compiles first, so it depends on next to nothing, and it reaches everything else
//! by running cargo: nothing here is linked with the gateway.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod author;
mod bench;
mod book;
mod chart;
mod cli;
mod clients;
mod cluster;
mod cluster_suite;
mod crds;
mod demo;
mod images;
mod netns;
mod plugins;
mod process;
mod soak;
mod test;
mod tools;
mod wit;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Task};

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Plugins => plugins::build_all(),
        Task::Demo(options) => demo::show(&options),
        Task::Test(options) => return test::perform(&options),
        Task::Clients => clients::set_up_all(),
        Task::Crds(options) => crds::perform(&options),
        Task::Bench(options) => bench::measure(&options),
        Task::Cluster(options) => cluster::perform(&options),
        Task::Soak(options) => soak::perform(&options),
        Task::Chart(options) => chart::perform(&options),
        Task::Images(options) => images::perform(&options),
        Task::Wit(options) => wit::perform(&options),
        Task::Book => book::build(),
    }
    .map(|()| ExitCode::SUCCESS)
}
