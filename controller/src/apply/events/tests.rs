use std::io::{self, Write};

use parking_lot::Mutex;
use podgate_api::ObjectRef;
use tokio::time::advance;
use tracing_subscriber::fmt::MakeWriter;

use super::said::{AGAIN, REMEMBERED};
use super::*;
use crate::plan::Subject;

fn notice(name: &str, message: &str) -> Notice {
    Notice {
        subject: Subject {
            kind: "AzureIdentityBinding",
            api_version: "aadpodidentity.k8s.io/v1",
            object: ObjectRef::new("shop", name),
            uid: "1".to_owned(),
        },
        is_warning: true,
        reason: "binding apply error",
        message: message.to_owned(),
    }
}

/// With so many places for what waits to be written.
fn events(places: usize) -> (Events, mpsc::Receiver<Notice>) {
    let (sender, waiting) = mpsc::channel(places);
    (Events::into(sender, Arc::default()), waiting)
}

fn dropped(events: &Events) -> bool {
    let text = events.metrics.render();
    !text.contains("podgate_controller_notices_dropped_total 0")
}

/// Log lines of this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn count(&self) -> usize {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        text.lines().count()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn listen() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test(start_paused = true)]
async fn the_same_is_logged_and_written_once_in_half_an_hour() {
    let ((mut events, mut waiting), (lines, _guard)) = (events(8), listen());
    for _ in 0..100 {
        events.tell(notice("web", "no"));
    }
    assert_eq!(lines.count(), 1);
    assert!(waiting.try_recv().is_ok() && waiting.try_recv().is_err());
    assert!(!dropped(&events), "what is not news takes nobody's place");
    events.tell(notice("api", "no"));
    events.tell(notice("web", "never"));
    assert_eq!(lines.count(), 3, "another object, and other words");
    advance(AGAIN).await;
    events.tell(notice("web", "no"));
    assert_eq!(lines.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_found_no_place_is_written_later_and_logged_no_more() {
    let ((mut events, mut waiting), (lines, _guard)) = (events(1), listen());
    events.tell(notice("web", "no"));
    events.tell(notice("api", "no"));
    assert!(dropped(&events));
    assert_eq!(waiting.try_recv().unwrap().subject.object.name, "web");
    for _ in 0..3 {
        events.tell(notice("api", "no"));
    }
    assert_eq!(waiting.try_recv().unwrap().subject.object.name, "api");
    assert!(waiting.try_recv().is_err());
    assert_eq!(lines.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn ids_of_requests_make_no_news() {
    let ((mut events, _waiting), (lines, _guard)) = (events(8), listen());
    for number in 0..9 {
        let id = format!("7a1e0000-0000-4000-8000-00000000000{number}");
        events.tell(notice(
            "web",
            &format!("no ('{id}'), at pod-{}", number / 8),
        ));
    }
    assert_eq!(lines.count(), 2, "a pod's name is none of them");
}

#[tokio::test(start_paused = true)]
async fn ever_new_notices_do_not_fill_the_memory() {
    let (mut events, _waiting) = events(1);
    for number in 0..3 * REMEMBERED {
        advance(Duration::from_millis(1)).await;
        events.tell(notice("web", &format!("no {number}")));
        assert!(events.said.len() <= REMEMBERED);
    }
}
