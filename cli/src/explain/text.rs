//! The report for people: short lines in two columns, of plain characters whatever the cluster says.

use jiff::Timestamp;

use super::age;
use super::diagnose::Verdict;
use super::facts::EventFacts;
use super::report::{Bound, Gateway, Report, label};

/// Of one line. Longer ones are somebody's text, not ours.
const MAX_LINE: usize = 700;
/// Where the second column begins.
const COLUMN: usize = 12;

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut lines = head(report);
    lines.extend(identities(report));
    lines.extend(events(report));
    lines.extend(unknown(report));
    lines.extend(result(report));
    let lines: Vec<String> = lines.iter().map(|line| plain(line, MAX_LINE)).collect();
    lines.join("\n") + "\n"
}

/// One line without control characters, which would be a terminal's commands, and of bounded length.
pub(super) fn plain(text: &str, limit: usize) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: String = text
        .trim_end()
        .chars()
        .map(|c| if hides(c) { ' ' } else { c })
        .collect();
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn row(name: &str, what: impl AsRef<str>) -> String {
    format!("{name:<COLUMN$}{}", what.as_ref())
}

fn more(what: impl AsRef<str>) -> String {
    row("", what)
}

fn head(report: &Report) -> Vec<String> {
    let mut lines = vec![row("Pod", pod(report))];
    if report.phase.is_none() {
        return lines;
    }
    lines.push(row("Label", label(report.label.as_deref())));
    lines.extend(
        report
            .client_id
            .iter()
            .map(|id| row("Asks for", format!("client id {id}"))),
    );
    lines.push(row("Node", node(report)));
    match &report.gateway {
        Some(found) => lines.extend(gateway(found)),
        None => lines.push(row("Gateway", "none is known")),
    }
    lines.extend(
        report
            .controller
            .iter()
            .map(|controller| row("Controller", controller)),
    );
    let matches = |exception: &String| row("Exception", format!("{exception} matches"));
    lines.extend(report.exception.iter().map(matches));
    lines
}

fn node(report: &Report) -> String {
    let node = report.node.as_deref().unwrap_or("none yet");
    match &report.machine {
        Some(machine) => format!("{node}, {machine}"),
        None => node.to_owned(),
    }
}

fn pod(report: &Report) -> String {
    let Some(phase) = &report.phase else {
        return report.pod.clone();
    };
    let since = report
        .since
        .map(|since| format!(" since {}", age::between(since, report.at)));
    let address = report
        .address
        .as_ref()
        .map(|address| format!(", {address}"));
    format!(
        "{}, {phase}{}{}",
        report.pod,
        since.unwrap_or_default(),
        address.unwrap_or_default()
    )
}

fn gateway(gateway: &Gateway) -> Vec<String> {
    let ready = match (&gateway.problem, gateway.ready) {
        (_, true) => "ready".to_owned(),
        (Some(problem), false) => format!("not ready ({problem})"),
        (None, false) => "not ready".to_owned(),
    };
    let namespaced = if gateway.namespaced {
        "in namespaces"
    } else {
        "across namespaces"
    };
    let first = format!(
        "{}, {ready}, {} mode, binds {namespaced}",
        gateway.pod, gateway.mode
    );
    let mut lines = vec![row("Gateway", first)];
    lines.extend(
        gateway
            .answer
            .iter()
            .map(|answer| more(format!("answers: {answer}"))),
    );
    lines.extend(
        gateway
            .stale
            .iter()
            .map(|stale| more(format!("is not up to date: {stale}"))),
    );
    lines
}

fn identities(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for bound in &report.identities {
        lines.push(String::new());
        lines.push(row("Identity", identity(bound)));
        lines.push(more(format!(
            "by {} of binding {}",
            label(report.label.as_deref()),
            bound.binding
        )));
        match &bound.problem {
            Some(problem) => lines.push(more(format!("gives nothing: {problem}"))),
            None => lines.extend(
                bound
                    .state
                    .as_ref()
                    .map(|state| more(assigned(bound, state, report.at))),
            ),
        }
    }
    lines
}

fn identity(bound: &Bound) -> String {
    let details: Vec<&str> = [bound.kind.as_deref(), bound.client_id.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    match details.is_empty() {
        true => bound.identity.clone(),
        false => format!("{} ({})", bound.identity, details.join(", ")),
    }
}

fn assigned(bound: &Bound, state: &str, now: Timestamp) -> String {
    let (Some(record), Some(node)) = (&bound.record, &bound.node) else {
        return match state {
            "none" => "not recorded by the controller".to_owned(),
            _ => "whether it is assigned is not known".to_owned(),
        };
    };
    let since = bound
        .since
        .map(|since| format!(" since {}", age::between(since, now)));
    format!(
        "{state}{} on {node}, by record {record}",
        since.unwrap_or_default()
    )
}

fn events(report: &Report) -> Vec<String> {
    let lines = report
        .events
        .iter()
        .map(|event| more(happened(event, report.at)));
    titled("Events", lines.collect())
}

fn happened(event: &EventFacts, now: Timestamp) -> String {
    let at = event
        .at
        .map_or_else(|| "?".to_owned(), |at| age::between(at, now));
    let kind = if event.warning { "Warning" } else { "Normal" };
    format!(
        "{at:<5} {kind:<8} {}  {}: {}",
        event.about, event.reason, event.message
    )
}

fn unknown(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for unknown in &report.unknown {
        lines.push(more(&unknown.what));
        lines.extend(
            unknown
                .check
                .as_ref()
                .map(|check| more(format!("  {check}"))),
        );
    }
    titled("Not known", lines)
}

/// The title stands before the first line.
fn titled(title: &str, mut lines: Vec<String>) -> Vec<String> {
    if let Some(first) = lines.first_mut() {
        first.replace_range(..COLUMN, &row(title, ""));
        lines.insert(0, String::new());
    }
    lines
}

fn result(report: &Report) -> Vec<String> {
    let diagnosis = &report.diagnosis;
    let verdict = match diagnosis.verdict {
        Verdict::GetsTokens => "the pod gets tokens",
        Verdict::SomethingToDo => "something is to be done",
        Verdict::CannotTell => "could not tell",
    };
    let mut lines = vec![
        String::new(),
        row("Result", format!("{verdict}: {}", diagnosis.what)),
    ];
    if let Some(next) = &diagnosis.next {
        lines.push(row("Next", &next.what));
        lines.extend(
            next.command
                .as_ref()
                .map(|command| more(format!("  {command}"))),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_says_cannot_command_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d", 99), "a [2Jb c d");
        assert_eq!(plain("äöü", 2), "äö…");
    }
}
