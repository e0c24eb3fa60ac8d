//! The subcommand as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::scene::Scene;

/// Longer than any of it takes on a machine that compiles beside it.
const END: Duration = Duration::from_secs(120);

/// How it ended.
pub(crate) struct Retired {
    pub(crate) success: bool,
    pub(crate) code: Option<i32>,
    /// All that it wrote.
    pub(crate) told: String,
}

/// As the first controller is, with these flags besides; the test fails if it does not end.
pub(crate) async fn retire(scene: &Scene, flags: &[&str]) -> Retired {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    let imds = scene.sim.imds_addr();
    let mut command = Command::new(folder.join("podgate-controller"));
    command
        .arg("retire")
        .arg(format!("--kubeconfig={}", scene.kubeconfig(0).display()))
        .arg(format!(
            "--cloudconfig={}",
            scene.file("azure-0.json").display()
        ))
        .arg(format!("--ca-file={}", scene.file("ca.pem").display()))
        .arg(format!("--arm-url={}", scene.sim.arm_url()))
        .arg(format!("--authority={}", scene.sim.entra_url()))
        .arg(format!("--metadata-ip={}", imds.ip()))
        .arg(format!("--metadata-port={}", imds.port()))
        .args(flags)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(END, command.output()).await;
    let output = output.expect("it does not end").unwrap();
    let told = [output.stdout, output.stderr].concat();
    Retired {
        success: output.status.success(),
        code: output.status.code(),
        told: String::from_utf8_lossy(&told).into_owned(),
    }
}
