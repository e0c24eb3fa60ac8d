//! The official Rust SDK as a program of its own, with the interface that tests/clients/README.md describes.
//! The transport is podgate's tests' own; the address is the one that the SDK knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use azure_identity::UserAssignedId;
use clap::Parser;
use podgate_e2e::sdk::SdkPod;
use serde_json::json;

/// One token of the official Rust SDK.
#[derive(Parser)]
struct Options {
    #[arg(long)]
    client_id: Option<String>,
    #[arg(long, conflicts_with = "client_id")]
    object_id: Option<String>,
    #[arg(long, conflicts_with_all = ["client_id", "object_id"])]
    resource_id: Option<String>,
    #[arg(long, default_value = "https://management.azure.com/.default")]
    scope: String,
    /// Seconds.
    #[arg(long, default_value_t = 120.0)]
    deadline: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let start = Instant::now();
    let (ok, mut line) = match token(&options).await {
        Ok(token) => (true, json!({"ok": true, "token": token})),
        Err(message) => (false, json!({"ok": false, "message": message})),
    };
    line["elapsed_ms"] = json!(start.elapsed().as_secs_f64() * 1e3);
    println!("{line}");
    ExitCode::from(u8::from(!ok))
}

async fn token(options: &Options) -> Result<String, String> {
    let pod = SdkPod {
        ip: Ipv4Addr::UNSPECIFIED.into(),
        gateway: SocketAddr::from(([169, 254, 169, 254], 80)),
    };
    let client_id = options.client_id.clone().map(UserAssignedId::ClientId);
    let object_id = options.object_id.clone().map(UserAssignedId::ObjectId);
    let resource_id = options.resource_id.clone().map(UserAssignedId::ResourceId);
    let identity = client_id.or(object_id).or(resource_id);
    let deadline = Duration::from_secs_f64(options.deadline);
    match tokio::time::timeout(deadline, pod.get_token(identity, &options.scope)).await {
        Ok(token) => token.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {deadline:?}")),
    }
}
