//! What the book, the README and the pages of docs tell to type, typed as it stands into a shell: by the real kubectl and
//! helm against a real API server, by podgate's own programs, and by the Azure CLI without an account.
//!
//! ```text
//! pages ▸ commands ─┬─ `elsewhere`: not typed here, and why
//!                   └─ `stories`: pages in the order in which they are read, on a cluster of their own
//!                        before ▸ (aside ▸ command ▸ its end)* ▸ aside
//! ```
//! Nodes and pods are objects in that cluster: what needs a container gets as far as the kubelet's port, where nobody is.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use crate::stories::{INSTALLER, MIGRATION, NEWCOMER, OPERATOR, STORIES, VISITOR};

#[path = "book_commands/elsewhere.rs"]
mod elsewhere;
#[path = "book_commands/end.rs"]
mod end;
#[path = "book_commands/kubelet.rs"]
mod kubelet;
#[path = "book_commands/pages.rs"]
mod pages;
#[path = "book_commands/reader.rs"]
mod reader;
#[path = "book_commands/stories.rs"]
mod stories;
#[path = "book_commands/story.rs"]
mod story;

#[test]
fn every_command_is_typed_in_one_story_or_listed_with_a_reason() {
    let mut lost = Vec::new();
    for command in pages::commands() {
        let told = STORIES.iter().filter(|story| story.tells(&command.page));
        let stories = told.count();
        if elsewhere::why(&command).is_none() && stories != 1 {
            lost.push(format!("{command}: in {stories} stories"));
        }
    }
    assert!(
        lost.is_empty(),
        "put its page into a story of book_commands/stories.rs, or the command into book_commands/elsewhere.rs:\n{}",
        lost.join("\n")
    );
}

#[test]
fn nothing_is_listed_or_prepared_for_a_command_that_is_gone() {
    let commands = pages::commands();
    let idle = elsewhere::idle(&commands);
    assert!(idle.is_empty(), "no such command any more: {idle:?}");
    for story in STORIES {
        let idle = story.idle(&commands);
        assert!(idle.is_empty(), "nothing to prepare for: {idle:?}");
    }
}

#[test]
fn a_page_that_a_chapter_includes_is_read() {
    let pages = pages::pages();
    let lost: Vec<_> = pages::included()
        .into_iter()
        .filter(|name| !pages.iter().any(|page| page.name == *name))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm, az and the test control plane: cargo xtask test --only book-commands"]
async fn a_newcomer_installs_uses_and_removes_podgate_by_the_first_chapter() {
    story::follow(&NEWCOMER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm, az and the test control plane: cargo xtask test --only book-commands"]
async fn whoever_reads_the_readmes_alone_can_install() {
    story::follow(&VISITOR).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm, az and the test control plane: cargo xtask test --only book-commands"]
async fn each_kind_of_cluster_installs_by_its_page() {
    story::follow(&INSTALLER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm, az and the test control plane: cargo xtask test --only book-commands"]
async fn a_migration_goes_there_and_back_and_there() {
    story::follow(&MIGRATION).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm, az and the test control plane: cargo xtask test --only book-commands"]
async fn an_operator_in_trouble_types_the_runbook() {
    story::follow(&OPERATOR).await;
}
