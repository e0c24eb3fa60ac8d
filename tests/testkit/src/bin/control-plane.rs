//! A control plane in the foreground: etcd and kube-apiserver, with podgate's kinds. `cargo xtask cluster up`.

use anyhow::Result;
use podgate_testkit::ControlPlane;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let plane = ControlPlane::start().await?;
    plane.apply_crds().await?;
    println!("export KUBECONFIG={}", plane.kubeconfig().display());
    println!("Ctrl-C or `cargo xtask cluster down` ends it and takes everything away.");
    // For `down`, which looks for it beside the kubeconfig.
    std::fs::write(
        plane.kubeconfig().with_file_name("owner"),
        std::process::id().to_string(),
    )?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
