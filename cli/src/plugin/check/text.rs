//! The report for people: short lines in two columns, and an entry for the plugins file.

use std::collections::BTreeMap;

use super::report::{Cost, Import, Report, Settings};

/// The audience that Entra ID wants of tokens that it is shown.
pub(super) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Where the second column begins.
const COLUMN: usize = 12;

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut lines = vec![
        row("File", &report.file),
        row(
            "",
            &format!("{}, sha256 {}", size(report.size as u64), report.sha256),
        ),
        row("World", &world(report)),
    ];
    if report.world.is_some() {
        lines.extend(imports(&report.imports));
        lines.extend(asked(report));
        lines.extend(cost(report));
        lines.extend(settings(&report.settings));
    }
    lines.extend(result(report));
    lines.join("\n") + "\n"
}

fn row(name: &str, what: &str) -> String {
    format!("{name:<COLUMN$}{}", plain(what))
}

/// Names of a component are its author's text: no terminal's commands.
fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.collect::<String>().trim_end().to_owned()
}

fn size(bytes: u64) -> String {
    match bytes.div_ceil(1024) {
        kib @ 0..10_240 if kib % 1024 != 0 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib.div_ceil(1024)),
    }
}

fn world(report: &Report) -> String {
    match (report.world, &report.version) {
        (Some(world), Some(version)) => format!("podgate:{world} {version}"),
        _ => "none of podgate's".to_owned(),
    }
}

/// WASI's dozen interfaces are one line.
fn imports(imports: &[Import]) -> Vec<String> {
    let mut lines: BTreeMap<(bool, &str), (&Import, usize)> = BTreeMap::new();
    for import in imports {
        let is_wasi = import.provided == "empty";
        let key = if is_wasi { "wasi" } else { &import.name };
        lines.entry((is_wasi, key)).or_insert((import, 0)).1 += 1;
    }
    let shown = lines.values().map(|(import, count)| match import.provided {
        "empty" => format!(
            "{count} of WASI, such as {:<9} {}",
            import.name,
            provided(import)
        ),
        _ => format!("{:<32} {}", import.name, provided(import)),
    });
    let shown: Vec<String> = shown.collect();
    match shown.as_slice() {
        [] => vec![row("Imports", "nothing")],
        lines => titled("Imports", lines),
    }
}

fn titled(title: &str, lines: &[String]) -> Vec<String> {
    let title = std::iter::once(title).chain(std::iter::repeat(""));
    title
        .zip(lines)
        .map(|(title, line)| row(title, line))
        .collect()
}

fn provided(import: &Import) -> &'static str {
    match import.provided {
        "always" => "every plugin has it",
        "grant" if import.grant == Some("serviceAccount") => {
            "tokens of the gateway's own service account, of the audiences in grants.serviceAccount"
        }
        "grant" => "with grants.clock: true",
        "question" => "the identity's own key, for the length of a call",
        "hosts" => "the identity's authority, and the hosts of grants.http",
        "empty" => "no files, no environment, no network",
        _ => "nobody can grant it",
    }
}

fn asked(report: &Report) -> Option<String> {
    if report.refused.is_some() {
        return None;
    }
    let words = match report.pure? {
        true => {
            "a pure function: its verdicts are remembered until something they depend on changes"
        }
        false
            if report
                .imports
                .iter()
                .any(|import| import.provided == "empty") =>
        {
            "for each request; built for wasm32-unknown-unknown it imports no WASI, and its verdicts can be remembered"
        }
        false => "for each request, as it reads the clock",
    };
    Some(row("Asked", words))
}

fn cost(report: &Report) -> Vec<String> {
    let (memory, limit) = (size(report.memory), size(report.memory_limit as u64));
    let memory = match report.memory_mib {
        None => format!("{memory} of the {limit} that a call may have"),
        Some(mib) => format!(
            "{memory} of {mib} MiB, which it needs a limit for: by default a call may have {limit}"
        ),
    };
    let compiled = report
        .cost
        .iter()
        .map(|cost| row("Compiled", &compiled(cost)));
    compiled.chain([row("Memory", &memory)]).collect()
}

fn compiled(cost: &Cost) -> String {
    format!(
        "in {} ms to {} of code, which loads in {} ms",
        cost.compile_ms,
        size(cost.code),
        cost.load_ms
    )
}

fn settings(settings: &Settings) -> Vec<String> {
    match settings {
        Settings::NotNeeded => vec![row("Settings", "it does without")],
        Settings::Accepted => vec![row("Settings", "it takes these")],
        Settings::NotTried => Vec::new(),
        Settings::Needed { problems } => {
            let head = "it needs some (give them with --settings FILE):".to_owned();
            let lines: Vec<String> = std::iter::once(head)
                .chain(problems.iter().cloned())
                .collect();
            titled("Settings", &lines)
        }
    }
}

fn result(report: &Report) -> Vec<String> {
    if let Some(refused) = &report.refused {
        return vec![row("Result", &format!("refused: {}", refused.message))];
    }
    let version = env!("CARGO_PKG_VERSION");
    let taken = row("Result", &format!("podgate {version} takes it"));
    let mut lines = vec![taken, String::new()];
    lines.extend(entry(report));
    lines
}

/// What the plugins file takes.
fn entry(report: &Report) -> Vec<String> {
    let file = std::path::Path::new(&report.file).file_name();
    let file = file.unwrap_or_default().to_string_lossy();
    let mut lines = vec![
        format!("{}:", report.world.unwrap_or_default()),
        format!("  - name: {}", report.name),
        format!(
            "    component: {{ file: {}, sha256: {} }}",
            plain(&file),
            report.sha256
        ),
    ];
    lines.extend(grants(report));
    let limit = |mib| format!("    limits: {{ memoryMiB: {mib} }}");
    lines.extend(report.memory_mib.map(limit));
    lines
}

fn grants(report: &Report) -> Option<String> {
    let has = |grant| {
        report
            .imports
            .iter()
            .any(|import| import.grant == Some(grant))
    };
    let clock = has("clock").then(|| "clock: true".to_owned());
    let tokens = has("serviceAccount").then(|| format!("serviceAccount: [\"{AUDIENCE}\"]"));
    let grants: Vec<String> = clock.into_iter().chain(tokens).collect();
    match grants.is_empty() {
        true => None,
        false => Some(format!("    grants: {{ {} }}", grants.join(", "))),
    }
}

#[cfg(test)]
mod tests;
