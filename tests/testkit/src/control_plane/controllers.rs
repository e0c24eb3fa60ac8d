//! The controllers of Kubernetes itself, for tests that need what they make: service accounts, the pods of a
//! DaemonSet, the end of what has lost its owner.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::keeper::Program;
use super::{ControlPlane, START, programs};

const MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";

impl ControlPlane {
    /// Starts the controller-manager and the scheduler beside the API server. When this returns, the default
    /// namespace has its service account, the last thing that they make at the start.
    ///
    /// # Errors
    /// They run already, or end at once.
    pub async fn start_controllers(&self) -> Result<()> {
        let flags = [
            format!(
                "--service-account-private-key-file={}",
                self.path("sa.key").display()
            ),
            format!("--root-ca-file={}", self.path("ca.crt").display()),
            "--use-service-account-credentials".to_owned(),
        ];
        self.run_controller(MANAGER, &flags)?;
        self.run_controller(SCHEDULER, &[])?;
        self.service_account().await
    }

    /// Everything that one needs to reach the API server as itself; it listens nowhere.
    fn run_controller(&self, name: &'static str, flags: &[String]) -> Result<()> {
        let user = format!("system:{name}");
        let kubeconfig = self.authority.kubeconfig(&self.server(), &user, None)?;
        self.write_kubeconfig(name, &kubeconfig)?;
        let kubeconfig = self.path(&format!("{name}.kubeconfig"));
        let mut arguments = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        arguments.extend_from_slice(flags);
        self.keeper.run(Program {
            name,
            path: programs()?.join(name),
            arguments,
            log: self.path(&format!("{name}.log")),
        })
    }

    async fn service_account(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::default_namespaced(self.client().await?);
        let start = Instant::now();
        while accounts.get_opt("default").await?.is_none() {
            ensure!(
                start.elapsed() < START,
                "no default service account within {START:?}"
            );
            self.keeper.check(MANAGER)?;
            self.keeper.check(SCHEDULER)?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
