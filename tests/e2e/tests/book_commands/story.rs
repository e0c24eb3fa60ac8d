//! Pages in the order in which they are read, and what happens between their lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::elsewhere;
use crate::end::{End, in_container};
use crate::pages::{Command, Page, pages};
use crate::reader::{Reader, Typed};

/// A pod is on its node in a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// One reader's way through some pages, in a cluster of its own.
pub(crate) struct Story {
    /// What there is before: scripts, as all of these.
    pub(crate) before: &'static [&'static str],
    pub(crate) scenes: &'static [Scene],
}

/// A page.
pub(crate) struct Scene {
    pub(crate) page: &'static str,
    pub(crate) asides: &'static [Aside],
}

/// What is so, or has to be so, before a command of a page, or behind all of them.
pub(crate) struct Aside {
    /// How the first such command begins; empty: the page's end.
    pub(crate) at: &'static str,
    pub(crate) script: &'static str,
}

impl Story {
    pub(crate) fn tells(&self, page: &str) -> bool {
        self.scenes.iter().any(|scene| scene.page == page)
    }

    /// Pages without a command, and asides without theirs.
    pub(crate) fn idle(&self, commands: &[Command]) -> Vec<String> {
        let mut idle = Vec::new();
        for Scene { page, asides } in self.scenes {
            let typed =
                |command: &&Command| command.page == *page && elsewhere::why(command).is_none();
            let texts: Vec<&str> = commands
                .iter()
                .filter(typed)
                .map(|command| command.text.as_str())
                .collect();
            let is_idle = |aside: &&Aside| !texts.iter().any(|text| text.starts_with(aside.at));
            idle.extend(
                asides
                    .iter()
                    .filter(is_idle)
                    .map(|aside| format!("{page}: {}", aside.at)),
            );
            if texts.is_empty() {
                idle.push((*page).to_owned());
            }
        }
        idle
    }
}

/// Types it from the first line to the last.
pub(crate) async fn follow(story: &Story) {
    let reader = Reader::new().await;
    for script in story.before {
        prepare(&reader, "the beginning", script);
    }
    let mut ends = BTreeMap::new();
    for Scene { page, asides } in story.scenes {
        let all = pages();
        let page = all.iter().find(|one| one.name == *page).unwrap();
        read(&reader, page, asides, &mut ends);
    }
    println!("{ends:?}");
}

fn read(reader: &Reader, page: &Page, asides: &[Aside], ends: &mut BTreeMap<String, usize>) {
    for (name, text) in page.shown_files() {
        reader.saves(&name, &text);
    }
    let mut left: Vec<&Aside> = asides.iter().filter(|aside| !aside.at.is_empty()).collect();
    let is_typed = |command: &Command| elsewhere::why(command).is_none();
    for command in page.commands().into_iter().filter(is_typed) {
        if let Some(place) = left
            .iter()
            .position(|aside| command.text.starts_with(aside.at))
        {
            prepare(reader, &command.to_string(), left.remove(place).script);
        }
        let end = follow_line(reader, &command);
        *ends.entry(format!("{end:?}")).or_default() += 1;
    }
    for aside in asides.iter().filter(|aside| aside.at.is_empty()) {
        prepare(reader, &format!("the end of {}", page.name), aside.script);
    }
}

/// Fails with what was said.
fn prepare(reader: &Reader, place: &str, script: &str) {
    let typed = reader.types(&format!("set -eu\n{script}"));
    assert_eq!(typed.code, 0, "at {place}:\n{script}\n{typed:#?}");
}

fn follow_line(reader: &Reader, command: &Command) -> End {
    let end = End::of(&command.text);
    let line = end.line(&command.text);
    let typed = typed(reader, end, &line);
    let is_met = end.is_met(&typed, reader.kubelet.port);
    assert!(
        is_met,
        "{command}\ntyped as: {line}\nis to end as {end:?}, and: {typed:#?}"
    );
    if let Some(inside) = in_container(&command.text) {
        let typed = reader.types(&inside);
        assert_eq!(typed.code, 0, "{command}, in the container: {typed:#?}");
    }
    end
}

/// Again, where only a pod's start is being waited for.
fn typed(reader: &Reader, end: End, line: &str) -> Typed {
    let since = Instant::now();
    loop {
        let typed = reader.types(line);
        let is_early = end == End::NoKubelet && typed.err.contains("does not have a host assigned");
        if !is_early || since.elapsed() > PATIENCE {
            return typed;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
