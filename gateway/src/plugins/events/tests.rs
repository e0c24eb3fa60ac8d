use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::super::testing::{Call, Reply, Server};
use super::*;

/// An API server that takes Events, unless it is to say something else, and a writer of them.
struct Scene {
    server: Server,
    says: Arc<Mutex<u16>>,
    events: Events,
    task: JoinHandle<()>,
}

impl Scene {
    async fn start() -> Self {
        let says = Arc::new(Mutex::new(200));
        let status = Arc::clone(&says);
        let server = Server::start(move |call| answer(call, *status.lock())).await;
        let config = kube::Config::new(server.url("").parse().unwrap());
        let client = podgate_watch::client::connect(&config).unwrap();
        let (sender, words) = watch::channel(None);
        let writer = Writer {
            client,
            of: "podgate/podgate-plugins".parse().unwrap(),
            node: "node-1".to_owned(),
            pause: Duration::from_millis(20),
            last: None,
        };
        Self {
            server,
            says,
            events: Events(sender),
            task: tokio::spawn(writer.run(words)),
        }
    }

    /// Waits until so many requests of this method came.
    async fn until(&self, method: &str, number: usize) -> Vec<Value> {
        let of = |call: &Call| call.method == method;
        for _ in 0..500 {
            let calls: Vec<Call> = self.server.calls().into_iter().filter(of).collect();
            if calls.len() >= number {
                return calls.iter().map(body).collect();
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{method}: {:?}", self.server.calls());
    }

    fn count(&self, method: &str) -> usize {
        let calls = self.server.calls();
        calls.iter().filter(|call| call.method == method).count()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap_or_default()
}

fn answer(call: &Call, status: u16) -> Reply {
    let json = |value: Value| {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Reply::Whole(status, vec![kind], value.to_string().into_bytes())
    };
    match (call.method.as_str(), status) {
        ("GET", 200) => json(
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "podgate-plugins", "namespace": "podgate", "uid": "the-uid"}}),
        ),
        (_, 200) => json(
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"},
            "involvedObject": {}}),
        ),
        (_, code) => json(
            json!({"apiVersion": "v1", "kind": "Status", "status": "Failure",
            "message": "no", "reason": "Forbidden", "code": code}),
        ),
    }
}

#[tokio::test]
async fn a_bad_file_is_an_event_of_its_config_map_and_so_is_its_end() {
    let scene = Scene::start().await;
    scene.events.good();
    scene.events.bad("plugin a: no");
    let event = scene.until("POST", 1).await.remove(0);
    assert_eq!(event["involvedObject"]["kind"], "ConfigMap");
    assert_eq!(event["involvedObject"]["name"], "podgate-plugins");
    assert_eq!(event["involvedObject"]["uid"], "the-uid");
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Warning"), &json!("PluginsNotReloaded"))
    );
    assert_eq!(event["message"], "node node-1: plugin a: no");
    let path = scene
        .server
        .calls()
        .into_iter()
        .find(|call| call.method == "POST");
    assert!(
        path.unwrap()
            .target
            .starts_with("/api/v1/namespaces/podgate/events")
    );
    scene.events.good();
    let event = scene.until("POST", 2).await.remove(1);
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Normal"), &json!("PluginsReloaded"))
    );
    scene.events.good();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(
        scene.count("POST"),
        2,
        "what was good and is good is no news"
    );
}

#[tokio::test]
async fn the_same_is_not_said_again_and_of_many_words_the_last_one_is() {
    let scene = Scene::start().await;
    scene.events.bad("first");
    scene.until("POST", 1).await;
    for _ in 0..20 {
        scene.events.bad("first");
        sleep(Duration::from_millis(2)).await;
    }
    for number in 0..100 {
        scene.events.bad(&format!("word {number}"));
    }
    let events = scene.until("POST", 2).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((scene.count("POST"), scene.count("PATCH")), (2, 0));
    assert_eq!(events[1]["message"], "node node-1: word 99");
}

#[tokio::test]
async fn an_event_that_is_not_taken_harms_nothing_and_is_tried_with_the_next_word() {
    let scene = Scene::start().await;
    *scene.says.lock() = 403;
    scene.events.bad("no");
    scene.until("POST", 1).await;
    sleep(Duration::from_millis(100)).await;
    *scene.says.lock() = 200;
    scene.events.bad("no");
    let events = scene.until("POST", 2).await;
    assert_eq!(events[1]["message"], "node node-1: no");
}

#[tokio::test]
async fn an_old_word_is_counted_up_and_one_that_was_forgotten_is_written_anew() {
    let server = Server::start(|call| match call.method.as_str() {
        "PATCH" if call.target.contains("/gone") => answer(call, 404),
        _ => answer(call, 200),
    })
    .await;
    let config = kube::Config::new(server.url("").parse().unwrap());
    let word = Word {
        is_warning: true,
        reason: "PluginsNotReloaded",
        message: "no".to_owned(),
    };
    let mut writer = Writer {
        client: podgate_watch::client::connect(&config).unwrap(),
        of: "podgate/podgate-plugins".parse().unwrap(),
        node: "node-1".to_owned(),
        pause: Duration::ZERO,
        last: None,
    };
    for (name, patches, posts, count) in [("there", 1, 0, 3), ("gone", 2, 1, 1)] {
        let (name, at) = (name.to_owned(), Instant::now());
        writer.last = Some(Written {
            word: word.clone(),
            name,
            count: 2,
            at,
        });
        writer.write(word.clone()).await.unwrap();
        let of = |method: &str| {
            server
                .calls()
                .iter()
                .filter(|call| call.method == method)
                .count()
        };
        assert_eq!((of("PATCH"), of("POST")), (patches, posts));
        assert_eq!(writer.last.as_ref().unwrap().count, count);
    }
}

#[test]
fn a_config_map_is_named_with_its_namespace() {
    let name: ConfigMapName = "podgate/podgate-plugins".parse().unwrap();
    assert_eq!(name.to_string(), "podgate/podgate-plugins");
    for wrong in ["", "podgate", "/a", "a/", "a/b/c", "A/b", "a/../b", "a.b/c"] {
        assert!(wrong.parse::<ConfigMapName>().is_err(), "{wrong}");
    }
}
