//! The runbook: an entry per message, word for word, and none of a message that is no more.

use std::collections::BTreeSet;

use super::programs::{Source, sources};
use super::words::{Literal, Message, literals};
use super::{chapters, in_one_line, read};

/// Files, or folders of them, whose long texts are no messages, and why. What is logged or returned as an error there is
/// one all the same.
const FILES: [(&str, &str); 10] = [
    (
        "api/src/crd/schema.rs",
        "descriptions for `kubectl explain`",
    ),
    (
        "azure/src/credential/kind.rs",
        "names of credentials, for news",
    ),
    (
        "gateway/src/config/retired.rs",
        "what follows `this flag of the old gateway has no effect`, and says all",
    ),
    (
        "controller/src/settings/retired.rs",
        "what follows `this flag has no effect`, and says all",
    ),
    ("gateway/intercept/src/legacy/rules.rs", "rules of iptables"),
    (
        "gateway/intercept/src/nftables/rules.rs",
        "rules of nftables",
    ),
    ("gateway/intercept/src/old_agent.rs", "commands of nftables"),
    (
        "cli/src/explain/",
        "a diagnosis with its own `Next`; docs/cli.md has its causes",
    ),
    ("cli/src/plugin/check/text.rs", "a report"),
    ("cli/src/plugin/call/report.rs", "a report"),
];

/// Texts that are no messages of their own, by why.
const TEXTS: [(&str, &[&str]); 6] = [
    (
        "names within messages that have an entry",
        &[
            "… … (group …)",
            "… and … more",
            "data for the host",
            "description of a failure",
            "key, plan and state",
            "list of client ids",
            "of some other kind",
            "reason for a denial",
            "what is no URL",
        ],
    ),
    (
        "answers, not failures",
        &[
            "a token would be asked for",
            "any identity that is bound to the pod",
            "made …; src/lib.rs is the place to begin. Then: cd … cargo build --release --target wasm32-wasip2 \
             podgate plugin check … podgate plugin call … --input cases.yaml",
            "the node's own identities (the pod is excepted)",
        ],
    ),
    (
        "for developers: of debug lines and of Debug",
        &[
            "… … (… bytes)",
            "… answered … to an assertion with …",
            "ClientCertificate(… certificates, key [redacted])",
            "the peer takes nothing of its answer",
        ],
    ),
    (
        "always told as another error, which has an entry",
        &["…: not sent", "no longer allowed", "settings refused"],
    ),
    (
        "words of others, which are looked for",
        &[
            "No such file or directory",
            "fuel allocated for hostcalls",
            "is marked for deletion",
        ],
    ),
    (
        "said to a plugin that is tried out",
        &["as the case says", "nothing is sent here"],
    ),
];

/// Entries of what other programs say.
const OF_OTHERS: [&str; 1] = [
    "MountVolume.SetUp failed for volume \"cloud-config\" : hostPath type check failed: /etc/kubernetes/azure.json is not a file",
];

const FENCE: &str = "```";

/// The lines of a page in blocks of messages, each with its number; and the lines behind a block's end.
struct Page {
    name: String,
    entries: Vec<(usize, String)>,
    sequels: Vec<(usize, String)>,
}

fn pages() -> Vec<Page> {
    let pages = std::fs::read_dir(chapters().join("runbook")).unwrap();
    let paths = pages.map(|page| page.unwrap().path());
    paths
        .map(|path| Page::of(path.file_name().unwrap().to_str().unwrap(), &read(&path)))
        .collect()
}

fn entries(pages: &[Page]) -> BTreeSet<&str> {
    let all = pages.iter().flat_map(|page| &page.entries);
    all.map(|(_, entry)| entry.as_str()).collect()
}

/// Every message of a file, exceptions included.
fn said(source: &Source) -> impl Iterator<Item = Literal<'_>> {
    let is_no_messages = FILES.iter().any(|(name, _)| source.name.starts_with(name));
    literals(&source.text)
        .into_iter()
        .filter(move |literal| match literal.message() {
            Message::Told => true,
            Message::Likely => !is_no_messages,
            Message::Not => false,
        })
}

fn is_exception(text: &str) -> bool {
    TEXTS.iter().any(|(_, texts)| texts.contains(&text))
}

// === impl Page ===

impl Page {
    fn of(name: &str, text: &str) -> Self {
        let mut page = Self {
            name: name.to_owned(),
            entries: Vec::new(),
            sequels: Vec::new(),
        };
        let mut block: Option<&str> = None;
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            match (line.strip_prefix(FENCE), block) {
                (Some(kind), None) => block = Some(kind),
                (Some(_), Some(kind)) => {
                    block = None;
                    let mut rest = lines.clone().map(|(_, line)| line);
                    let sequel = rest.find(|line| !line.is_empty()).unwrap_or_default();
                    if kind == "text" {
                        page.sequels.push((number, sequel.to_owned()));
                    }
                }
                (None, Some("text")) => page.entries.push((number, in_one_line(line))),
                (None, _) => {}
            }
        }
        page
    }
}

#[test]
fn every_message_that_a_program_can_print_has_an_entry_in_the_runbook_word_for_word() {
    let (pages, sources) = (pages(), sources());
    let entries = entries(&pages);
    let mut lost = Vec::new();
    let mut held = 0;
    for source in &sources {
        for literal in said(source).filter(|literal| !is_exception(&literal.text)) {
            held += 1;
            if !entries.contains(literal.text.as_str()) {
                lost.push(format!(
                    "{}:{}: {}",
                    source.name, literal.line, literal.text
                ));
            }
        }
    }
    assert!(held > 600, "only {held} messages were found");
    assert!(
        lost.is_empty(),
        "no line of a ```text block in docs/book/src/runbook:\n{}",
        lost.join("\n")
    );
}

#[test]
fn every_entry_of_the_runbook_is_of_a_message_that_a_program_still_has() {
    let sources = sources();
    let texts: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| literals(&source.text))
        .map(|literal| literal.text)
        .collect();
    let is_said = |entry: &String| texts.contains(entry) || OF_OTHERS.contains(&entry.as_str());
    let mut idle = Vec::new();
    for page in pages() {
        let unknown = page.entries.iter().filter(|(_, entry)| !is_said(entry));
        idle.extend(unknown.map(|(line, entry)| format!("{}:{line}: {entry}", page.name)));
    }
    assert!(
        idle.is_empty(),
        "no program says this any more:\n{}",
        idle.join("\n")
    );
}

#[test]
fn every_entry_is_followed_by_what_to_do() {
    let mut silent = Vec::new();
    for page in pages() {
        let is_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "```text";
        let bare = page.sequels.iter().filter(|(_, line)| is_nothing(line));
        silent.extend(bare.map(|(number, _)| format!("{}:{number}", page.name)));
    }
    assert!(silent.is_empty(), "messages without a cure: {silent:?}");
}

#[test]
fn every_exception_is_still_one() {
    let (pages, sources) = (pages(), sources());
    let entries = entries(&pages);
    let texts: BTreeSet<String> = sources
        .iter()
        .flat_map(said)
        .map(|literal| literal.text)
        .collect();
    for text in TEXTS.iter().flat_map(|(_, texts)| *texts) {
        assert!(texts.contains(*text), "nobody says {text}");
        assert!(!entries.contains(text), "has an entry: {text}");
    }
    for (name, _) in FILES {
        let of = sources
            .iter()
            .filter(|source| source.name.starts_with(name));
        let mut long = of.flat_map(|source| literals(&source.text));
        assert!(
            long.any(|literal| literal.message() == Message::Likely),
            "{name} has no long text any more"
        );
    }
}

#[test]
fn every_reason_of_an_event_of_the_gateway_has_an_entry() {
    let source = include_str!("../../../../../gateway/src/plugins/events.rs");
    let page = read(chapters().join("runbook/start.md"));
    let said: Vec<&str> = source.split("self.say(").skip(1).collect();
    assert_eq!(said.len(), 2, "another Event: does the runbook know it?");
    for words in said {
        let reason = words.split('"').nth(1).unwrap();
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn a_page_is_its_messages_each_block_with_what_follows() {
    let text = "# x\n\n```text\none: …\n  two\n```\n\nDo it:\n\n```sh\nls\n```\n\n```text\nthree\n```\n\n## y\n";
    let page = Page::of("x.md", text);
    let entries: Vec<_> = page
        .entries
        .iter()
        .map(|(line, entry)| (*line, entry.as_str()))
        .collect();
    assert_eq!(entries, [(4, "one: …"), (5, "two"), (15, "three")]);
    let sequels: Vec<_> = page.sequels.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(sequels, ["Do it:", "## y"]);
}
