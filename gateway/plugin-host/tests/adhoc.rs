#![allow(clippy::unwrap_used, reason = "tests")]
mod support;
use support::*;
use std::time::Instant;
fn read(p: &str) -> Vec<u8> { std::fs::read(format!("{}/../../target/{p}", env!("CARGO_MANIFEST_DIR"))).unwrap() }
#[tokio::test]
async fn adhoc() {
    let h = host();
    for (k, s) in [("policy", vec!["loop","allocate","recurse","panic","huge","bypass","panic-in-configure","refuse-settings","nonsense"]), ("credential", vec!["stolen-handle","panic","huge"])] {
        for m in s {
            let mut p = plugin(read(&format!("guests/wasm32-unknown-unknown/release/misbehaving_{k}.wasm")));
            p.settings = format!(r#"{{"mode":"{m}"}}"#); p.grants.clock = true;
            p.limits.call = std::time::Duration::from_millis(2000);
            let e = if k == "policy" { match h.policy(p).await { Err(e) => e, Ok(l) => l.decide(&question()).await.unwrap_err() } }
            else { match h.credential(p).await { Err(e) => e, Ok(l) => l.acquire(&podgate_plugin_host::CredentialQuestion{identity: podgate_plugin_host::CredentialIdentity{client_id:"a".into(),tenant_id:"b".into(),authority:"https://x/".into()},resource:"r".into(),request_id:"i".into()}, std::sync::Arc::new(support::key::TestKey::new())).await.unwrap_err() } };
            println!("{m}: [{}] {e}", e.category());
        }
    }
    let w = read("guests/wasm32-wasip2/release/wasi_policy.wasm");
    let mut p = plugin(w); p.settings = r#"{"mode":"panic"}"#.into();
    println!("{}", h.policy(p).await.unwrap().decide(&question()).await.unwrap_err());
    let r = "plugins/wasm32-unknown-unknown/release";
    let p = h.policy(plugin(read(&format!("{r}/exception_matcher.wasm")))).await.unwrap();
    println!("pure {} {:?}", p.is_pure(), p.decide(&question()).await);
    let t = Instant::now(); for _ in 0..2000 { p.decide(&question()).await.unwrap(); } println!("{:?} per call", t.elapsed()/2000);
    let mut c = plugin(read(&format!("{r}/certificate_auth.wasm"))); c.grants.clock = true;
    h.credential(c).await.map(|_| ()).unwrap();
    let c = h.cache(plugin(read(&format!("{r}/token_cache.wasm")))).await.map_err(|e| println!("{e}"));
    if let Ok(c) = c { println!("{:?}", c.plan(&podgate_plugin_host::Subject{client_id:"a".into(),identity_type:podgate_plugin_host::IdentityType::Node,resource:"r".into()}, podgate_plugin_host::Times{obtained:1000,expires:5000,jitter:3}).await); }
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS")||l.starts_with("VmSize")).collect::<Vec<_>>().join(" "));
}
