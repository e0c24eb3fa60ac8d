//! What a cache plugin can do, and what it is asked.

use super::*;

/// A cache plugin that answers as it is told.
struct Told {
    key: Option<String>,
    plan: fn(&Times) -> Plan,
}

#[async_trait]
impl CachePolicy for Told {
    fn name(&self) -> &str {
        "told"
    }

    async fn key(&self, _: &Subject) -> Result<Option<String>, PluginError> {
        Ok(self.key.clone())
    }

    async fn plan(&self, _: &Subject, times: Times) -> Result<Plan, PluginError> {
        Ok((self.plan)(&times))
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_cannot_lengthen_a_tokens_life() {
    let plan = |_: &Times| Plan {
        refresh_at: u64::MAX,
        fresh_until: u64::MAX,
        keep_until: u64::MAX,
    };
    let told = Told {
        key: Some(String::new()),
        plan,
    };
    let fixture = fixture_with(HOUR, Bounds::default(), Some(Arc::new(told)));
    fixture.token(VAULT).await;
    advance(Duration::from_secs(HOUR + 1)).await;
    fixture.authority.fails(outage());
    assert!(fixture.get(VAULT).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_plugin_can_keep_tokens_from_being_kept() {
    let plan = |times: &Times| Plan {
        refresh_at: times.expires,
        fresh_until: times.expires,
        keep_until: times.expires,
    };
    let fixture = fixture_with(
        HOUR,
        Bounds::default(),
        Some(Arc::new(Told { key: None, plan })),
    );
    assert_ne!(fixture.token(VAULT).await, fixture.token(VAULT).await);
}

/// A cache plugin that counts what it is asked.
#[derive(Default)]
struct Asked(AtomicUsize);

#[async_trait]
impl CachePolicy for Asked {
    fn name(&self) -> &str {
        "asked"
    }

    async fn key(&self, _: &Subject) -> Result<Option<String>, PluginError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }

    async fn plan(&self, _: &Subject, _: Times) -> Result<Plan, PluginError> {
        unreachable!("nothing is kept")
    }
}

#[tokio::test(start_paused = true)]
async fn inventing_audiences_makes_no_plugin_work() {
    let asked = Arc::new(Asked::default());
    let policy: Arc<dyn CachePolicy> = Arc::clone(&asked) as _;
    let fixture = fixture_with(DAY, Bounds::default(), Some(policy));
    fixture.authority.fails(refusal());
    for number in 0..500 {
        let resource = format!("https://{number}.example");
        fixture.get(&resource).await.unwrap_err();
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 0);
}
