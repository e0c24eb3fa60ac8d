//! Everything of IMDS that is not a token.

use http::StatusCode;
use serde_json::{Value, json};

use super::query::Query;
use super::refusal::Refusal;
use crate::sim::reply::Reply;

/// The versions IMDS has, as its docs list them.
pub(super) const VERSIONS: &[&str] = &[
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
    "2025-04-07",
];

/// The VM this IMDS belongs to: a node of a scale set.
pub(super) const VM_RESOURCE_ID: &str = "/subscriptions/5ab50000-0000-4000-8000-000000000001/resourceGroups/\
     azure-sim-nodes/providers/Microsoft.Compute/virtualMachineScaleSets/azure-sim-pool/virtualMachines/0";

pub(super) fn info(query: &Query) -> Result<(), Refusal> {
    version(query)?;
    query.only(&["api-version"])
}

/// Whether the answer is to be text.
pub(super) fn instance(query: &Query) -> Result<bool, Refusal> {
    version(query)?;
    query.only(&["api-version", "format"])?;
    match query.get("format") {
        None | Some("json") => Ok(false),
        Some("text") => Ok(true),
        Some(_) => Err(Refusal::invalid("azure-sim: format is json or text")),
    }
}

/// The instance category has an error of its own shape.
fn version(query: &Query) -> Result<(), Refusal> {
    let wrong = match query.get("api-version") {
        Some(version) if VERSIONS.contains(&version) => return Ok(()),
        Some(_) => {
            "Bad request. api-version is invalid. For more information refer to aka.ms/azureimds"
        }
        None => {
            "Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds"
        }
    };
    let newest = VERSIONS.iter().rev().take(3).collect::<Vec<_>>();
    let more = ("newest-versions", json!(newest));
    Err(Refusal::instance(
        StatusCode::BAD_REQUEST,
        wrong,
        Some(more),
    ))
}

/// The part of the instance document at `path`.
pub(super) fn reply(path: &str, text: bool) -> Reply {
    let document = document();
    let pointer = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    match document.pointer(&pointer) {
        None => Reply::json(StatusCode::NOT_FOUND, &json!({"error": "Not found"}))
            .because("no such element"),
        Some(Value::String(leaf)) if text => Reply::text(StatusCode::OK, leaf.clone()),
        // The docs have a 400 for a leaf that is asked for in the wrong format.
        Some(Value::String(_)) => {
            let why =
                "Bad request. Leaf elements are returned as text only, format=text is required";
            Reply::json(StatusCode::BAD_REQUEST, &json!({"error": why})).because(why)
        }
        Some(node) if text => Reply::text(StatusCode::OK, listing(node)),
        Some(node) => Reply::json(StatusCode::OK, node),
    }
}

/// The names below a node, one per line, inner nodes with a slash.
fn listing(node: &Value) -> String {
    let name = |(key, value): (String, &Value)| {
        if value.is_string() {
            key
        } else {
            format!("{key}/")
        }
    };
    let names: Vec<String> = match node {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| name((key.clone(), value)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| name((at.to_string(), value)))
            .collect(),
        _ => Vec::new(),
    };
    names.join("\n")
}

/// All primitives are strings.
fn document() -> Value {
    json!({
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": "westeurope",
            "name": "azure-sim-pool_0",
            "osType": "Linux",
            "resourceGroupName": "azure-sim-nodes",
            "resourceId": VM_RESOURCE_ID,
            "subscriptionId": "5ab50000-0000-4000-8000-000000000001",
            "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            "vmScaleSetName": "azure-sim-pool",
            "vmSize": "Standard_D2s_v5",
            "zone": "1",
        },
        "network": {
            "interface": [{
                "ipv4": {
                    "ipAddress": [{"privateIpAddress": "10.224.0.4", "publicIpAddress": ""}],
                    "subnet": [{"address": "10.224.0.0", "prefix": "16"}],
                },
                "macAddress": "000D3AF806EC",
            }],
        },
    })
}
