//! A control plane in the foreground: etcd and kube-apiserver, with podgate's kinds. `cargo xtask cluster up`.

use anyhow::Result;
use clap::Parser;
use podgate_testkit::ControlPlane;
use tokio::signal::unix::{SignalKind, signal};

/// etcd and kube-apiserver with podgate's kinds, until it is ended.
#[derive(Parser)]
struct Options {
    /// The controller-manager and the scheduler too.
    #[arg(long)]
    controllers: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let plane = ControlPlane::start().await?;
    plane.apply_crds().await?;
    if options.controllers {
        plane.start_controllers().await?;
    }
    // What `cluster down` ends, unlike the control planes of tests.
    std::fs::write(plane.kubeconfig().with_file_name("by-hand"), "")?;
    println!("export KUBECONFIG={}", plane.kubeconfig().display());
    println!("Ctrl-C or `cargo xtask cluster down` ends it and takes everything away.");
    until_ended().await
}

async fn until_ended() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
