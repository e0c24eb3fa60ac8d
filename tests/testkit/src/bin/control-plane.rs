//! A control plane in the foreground: etcd and kube-apiserver, with podgate's kinds. `cargo xtask cluster up`.

use anyhow::Result;
use podgate_testkit::ControlPlane;

#[tokio::main]
async fn main() -> Result<()> {
    let plane = ControlPlane::start().await?;
    plane.apply_crds().await?;
    println!("export KUBECONFIG={}", plane.kubeconfig().display());
    println!("Ctrl-C ends it and takes everything away.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
