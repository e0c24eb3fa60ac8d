//! Chains of healthy plugins with guests among them, and the pods on both sides.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::crowd::{Asker, Expected, Pause};
use super::guests::Guests;
use super::misdeed::{Kind, Misdeed};
use crate::demo;
use crate::stage::VAULT;

/// What tells a guest's pods from the others.
pub const LABEL: &str = "misdeed";
/// Of neighbours between two requests, as a rule: a constant load, far from all that the gateway can do.
const OFTEN: Duration = Duration::from_millis(5);
/// Where each request goes to an authority: below the 2 per second that each pod has, and the 20 that IMDS takes of all.
const RARELY: Duration = Duration::from_millis(1600);
/// Of a guest's pod between two requests.
const AGAIN: Duration = Duration::from_millis(10);

/// A plugins file: the built-in plugins, the guests in their places, and a healthy policy that is asked each time.
pub fn with(guests: &Guests, misdeeds: &[Misdeed], misbehave: bool) -> Result<String> {
    let built_in = |name: &str, grants: Value| json!({"name": name, "component": {"builtin": name}, "grants": grants});
    let matcher = built_in("exception-matcher", json!({"bypass": true}));
    let mut policy = vec![matcher];
    let mut credential = built_in("certificate-auth", json!({"clock": true}));
    let mut cache = built_in("token-cache", json!({}));
    for misdeed in misdeeds {
        let entry = guests.entry(misdeed, misbehave)?;
        match misdeed.kind {
            Kind::Policy(_) => policy.push(entry),
            Kind::Credential => credential = entry,
            Kind::Cache { .. } => cache = entry,
        }
    }
    policy.push(guests.healthy("healthy"));
    Ok(json!({"policy": policy, "credential": [credential], "cache": [cache]}).to_string())
}

/// The manifests of so many pods for each guest.
pub fn pods(misdeeds: &[Misdeed], of_each: u8) -> String {
    let mut yaml = String::new();
    for (number, misdeed) in misdeeds.iter().enumerate() {
        let name = misdeed.name();
        for pod in 0..of_each {
            let (binding, ip) = (binding(misdeed), address(number, pod));
            // Writing to a string cannot fail.
            let _ = write!(
                yaml,
                "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}-{pod}\n  namespace: shop\n  labels: \
                 {{ aadpodidbinding: {binding}, {LABEL}: {name} }}\nstatus: {{ phase: Running, podIP: {ip} }}\n"
            );
        }
    }
    yaml
}

/// Those pods at work.
pub fn askers(misdeeds: &[Misdeed], of_each: u8, misbehave: bool, pause: &Pause) -> Vec<Asker> {
    let of_one = |(number, misdeed): (usize, &Misdeed)| {
        let misdeed = *misdeed;
        let asker = move |pod| Asker {
            source: address(number, pod),
            keeps: true,
            pause: pause.clone(),
            audience: audience(misdeed),
            expects: match misbehave {
                true => Expected::Explained(misdeed),
                false => Expected::Answered,
            },
        };
        (0..of_each).map(asker)
    };
    misdeeds.iter().enumerate().flat_map(of_one).collect()
}

/// How often neighbours ask beside these.
pub fn pace(misdeeds: &[Misdeed]) -> Pause {
    Pause::of(if keep(misdeeds) { OFTEN } else { RARELY })
}

/// How often their own pods ask.
pub fn insistence(misdeeds: &[Misdeed]) -> Pause {
    Pause::of(if keep(misdeeds) { AGAIN } else { RARELY * 4 })
}

fn keep(misdeeds: &[Misdeed]) -> bool {
    let mut kinds = misdeeds.iter().map(|misdeed| misdeed.kind);
    kinds.all(|kind| kind != Kind::Cache { keeps: false })
}

/// A token that is there already is nothing that a credential or a cache plugin is asked about.
fn audience(misdeed: Misdeed) -> String {
    match misdeed.kind {
        Kind::Policy(_) => VAULT.to_owned(),
        Kind::Credential | Kind::Cache { .. } => format!("https://{}.example", misdeed.name()),
    }
}

/// The pods that no guest is asked for: a managed identity, a client secret, and an excepted one; each with connections
/// of both kinds.
pub fn neighbours(pause: &Pause) -> Vec<Asker> {
    let pods = [
        ([127, 0, 0, 2], Expected::Token(demo::WEB)),
        ([127, 0, 0, 3], Expected::Token(demo::WORKER)),
        ([127, 0, 0, 5], Expected::Answered),
    ];
    let asker = |(ip, expects): ([u8; 4], Expected)| {
        [true, true, false].map(|keeps| Asker {
            source: ip.into(),
            keeps,
            pause: pause.clone(),
            audience: VAULT.to_owned(),
            expects,
        })
    };
    pods.into_iter().flat_map(asker).collect()
}

fn binding(misdeed: &Misdeed) -> &'static str {
    match misdeed.kind {
        Kind::Credential => "ledger",
        Kind::Policy(_) | Kind::Cache { .. } => "web",
    }
}

/// Each guest has a net of its own.
fn address(guest: usize, pod: u8) -> IpAddr {
    let net = u8::try_from(guest).unwrap_or(u8::MAX);
    [127, 0, 2 + net, 1 + pod].into()
}
