//! Adds to serde's "unknown field" the key that was probably meant.

/// Below this two words have little in common.
const ALIKE: f64 = 0.6;

/// The message, with the nearest right key where it names an unknown one.
pub(super) fn explain(message: &str) -> String {
    match suggestion(message) {
        Some(key) => format!("{message}; did you mean `{key}`?"),
        None => message.to_owned(),
    }
}

/// The reader writes: unknown field `a`, expected one of b, c
/// or: unknown variant `a`, expected `b` or `c`
fn suggestion(message: &str) -> Option<&str> {
    let rest = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|words| Some(message.split_once(words)?.1))?;
    let (unknown, rest) = rest.split_once('`')?;
    let expected = rest.lines().next()?.split_once("expected ")?.1;
    expected
        .trim_start_matches("one of ")
        .split(", ")
        .flat_map(|known| known.split(" or "))
        .map(|known| known.trim_matches('`'))
        .map(|known| (strsim::jaro_winkler(unknown, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
