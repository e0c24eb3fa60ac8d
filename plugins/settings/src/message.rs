//! Serde's words in an operator's words.

/// Longer messages carry a value that somebody pasted by mistake.
const MAX_MESSAGE: usize = 512;

/// The sentence for one of serde's errors at the member called `member`.
pub(crate) fn of(error: &str, member: &str) -> String {
    let sentence = unknown_field(error, member)
        .or_else(|| unknown_variant(error))
        .or_else(|| missing_field(error))
        .unwrap_or_else(|| error.to_owned());
    sentence.chars().take(MAX_MESSAGE).collect()
}

fn unknown_field(error: &str, member: &str) -> Option<String> {
    error
        .starts_with("unknown field `")
        .then(|| nearest("unknown setting", member, &expected(error)))
}

fn unknown_variant(error: &str) -> Option<String> {
    let rest = error.strip_prefix("unknown variant `")?;
    let given = &rest[..rest.rfind("`, expected")?];
    Some(nearest(
        &format!("unknown value `{given}`"),
        given,
        &expected(error),
    ))
}

fn missing_field(error: &str) -> Option<String> {
    let field = error.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(format!("`{field}` is missing"))
}

/// The names in backticks after serde's last "expected": what was given stands before it.
fn expected(error: &str) -> Vec<&str> {
    let known = error.rfind(", expected ").map_or("", |at| &error[at..]);
    known.split('`').skip(1).step_by(2).collect()
}

fn nearest(what: &str, given: &str, known: &[&str]) -> String {
    let given = given.to_ascii_lowercase();
    // By beginnings rather than by edits: `maxAge` is nearer to `maxAgeSeconds` than to `skip`.
    let likeness = |name: &str| strsim::jaro_winkler(&given, &name.to_ascii_lowercase());
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(name) => format!(
            "{what}, the nearest is `{name}`; known are {}",
            listed(known)
        ),
        None => format!("{what}, none is known here"),
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
