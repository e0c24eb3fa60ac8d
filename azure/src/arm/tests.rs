//! The client against azure-sim, and against servers that wish it ill.

use std::collections::BTreeSet;

use podgate_api::ResourceId;
use podgate_testkit::{
    AzureSim, Call, Compute as SimCompute, Fault, FaultKind, HandChange, ManagedIdentity,
    SimConfig, StateChange, SystemIdentity, Target,
};
use serde_json::json;

use super::*;
use crate::credential::{CredentialKind, TokenSources};
use crate::imds::Selector;

mod failures;
mod hostile;
mod moment;
mod pace;
mod rounds;

const CONTROLLER: &str = "c0000000-0000-4000-8000-000000000001";
const SUBSCRIPTION: &str = "5ab50000-0000-4000-8000-000000000001";

/// A cluster with one scale set, and a client that is the controller.
struct Stage {
    sim: AzureSim,
    client: ArmClient,
    id: ComputeId,
}

fn scale_set() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_g/providers/Microsoft.Compute/virtualMachineScaleSets/np"
    )
}

fn identity(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/App/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

fn known(number: usize, name: &str) -> ManagedIdentity {
    ManagedIdentity {
        client_id: format!("1{number:07}-0000-4000-8000-000000000001"),
        object_id: format!("1{number:07}-0000-4000-8000-0000000000aa"),
        resource_id: identity(name),
    }
}

fn config() -> SimConfig {
    let mut config = SimConfig {
        managed_identities: vec![ManagedIdentity {
            client_id: CONTROLLER.to_owned(),
            object_id: "c0000000-0000-4000-8000-0000000000aa".to_owned(),
            resource_id: identity("controller"),
        }],
        ..SimConfig::default()
    };
    config.arm.operation_ms = 30;
    config.arm.retry_after_seconds = Some(0);
    config.arm.identities = ["a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(n, name)| known(n, name))
        .collect();
    config.arm.computes = vec![SimCompute {
        id: scale_set(),
        location: "westeurope".to_owned(),
        state: "Succeeded".to_owned(),
        ..SimCompute::default()
    }];
    config
}

const TIMING: Timing = Timing {
    request: Duration::from_secs(10),
    poll: Duration::from_millis(10),
    poll_least: Duration::from_millis(5),
    operation: Duration::from_secs(20),
};

fn client(sim: &AzureSim) -> ArmClient {
    let https = HttpClient::https(&[sim.ca_pem().as_bytes().to_vec()]).unwrap();
    let sources = TokenSources {
        authority: sim.entra_url().parse().unwrap(),
        imds: sim.imds_url().parse().unwrap(),
        https: https.clone(),
    };
    let endpoint: ArmEndpoint = sim.arm_url().parse().unwrap();
    let endpoint = endpoint.with_audience("https://management.azure.com/".parse().unwrap());
    let kind = CredentialKind::ManagedIdentity(Selector::ClientId(CONTROLLER.parse().unwrap()));
    let credential = ArmCredential::new(kind, endpoint.audience().clone(), sources);
    ArmClient::new(https, endpoint, credential, ArmLimits::default()).with_timing(TIMING)
}

async fn stage_of(config: SimConfig) -> Stage {
    let sim = AzureSim::start(config).await.unwrap();
    Stage {
        client: client(&sim),
        sim,
        id: scale_set().parse().unwrap(),
    }
}

async fn stage() -> Stage {
    stage_of(config()).await
}

/// A gate that never closes.
fn open() -> Gate {
    Gate::new(|| true)
}

fn ids(names: &[&str]) -> BTreeSet<ResourceId> {
    names
        .iter()
        .map(|name| identity(name).parse().unwrap())
        .collect()
}

fn change(add: &[&str], remove: &[&str]) -> IdentityChange {
    IdentityChange {
        add: ids(add),
        remove: ids(remove),
    }
}

impl Stage {
    async fn apply(&self, add: &[&str], remove: &[&str]) -> Result<Compute, ArmError> {
        self.client
            .apply(&self.id, &change(add, remove), || true)
            .await
    }

    /// What is on the scale set, by the simulation's word.
    fn there(&self) -> Vec<String> {
        let compute = self.sim.compute(self.id.as_str()).unwrap();
        let name = |id: String| id.rsplit('/').next().unwrap().to_owned();
        compute.identities.into_iter().map(name).collect()
    }

    /// Waits until just these are on it.
    async fn until_there(&self, names: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.there() != names {
            assert!(Instant::now() < deadline, "{:?}", self.there());
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.sim.calls_to(Target::Arm)
    }

    /// `GET`, `PATCH` or `POLL` of each call in order.
    fn sequence(&self) -> Vec<&'static str> {
        let kind = |call: Call| match call.method.as_str() {
            _ if call.path.contains("/operations/") => "POLL",
            "PATCH" => "PATCH",
            _ => "GET",
        };
        self.calls().into_iter().map(kind).collect()
    }

    fn by_hand(&self, add: &[&str], remove: &[&str]) {
        let list = |names: &[&str]| names.iter().map(|name| identity(name)).collect();
        let change = HandChange {
            compute: scale_set(),
            add: list(add),
            remove: list(remove),
        };
        assert!(self.sim.change_by_hand(&change));
    }

    fn set_state(&self, state: &str) {
        let change = StateChange {
            compute: scale_set(),
            state: state.to_owned(),
        };
        assert!(self.sim.set_compute_state(&change));
    }

    fn fail(&self, method: &str, kind: FaultKind, times: u32) {
        self.sim.fail(
            Fault::new(Target::Arm, kind)
                .for_method(method)
                .times(times),
        );
    }

    /// Sends what brings `change` about, without following it.
    async fn start(&self, change: &IdentityChange) -> Result<Patched, ArmError> {
        let compute = self.client.get(&self.id).await?;
        let patch = IdentityPatch::next(&compute, change).expect("there is something to change");
        self.client.patch(&self.id, &patch, open()).await
    }

    async fn started(&self, change: &IdentityChange) -> Operation {
        match self.start(change).await.unwrap() {
            Patched::Started(operation) => operation,
            Patched::Done => panic!("it was done at once"),
        }
    }
}
