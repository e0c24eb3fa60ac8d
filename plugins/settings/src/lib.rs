//! A plugin's settings: JSON text in, a typed value or every problem with its place out.
//!
//! ```text
//! text ─▶ JSON ─▶ serde (deny_unknown_fields) ─▶ settings
//!                   │ on a problem: note it, take the member out, read again
//!                   └▶ [{setting: "/refreshAtt", message: "unknown setting, the nearest is `refreshAt` …"}]
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

mod message;
mod shapes;
#[cfg(test)]
mod tests;

pub use shapes::{Object, Seconds, present};

/// More problems than an operator reads at once; the rest shows once these are cured.
const MAX_PROBLEMS: usize = 16;

/// A member name longer than this is cut in a pointer: it is noise, and an answer of a plugin is bounded.
const MAX_NAME: usize = 64;

/// One thing that is wrong with the settings: `podgate:types/model.problem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer (RFC 6901) into the settings, empty for the settings as a whole.
    pub setting: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at `setting`.
    pub fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
            message: message.into(),
        }
    }
}

/// Reads settings from JSON text.
///
/// # Errors
/// Every problem that can be told apart, at most 16: all wrong members of an object are named at once, of
/// a list only the first.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    let mut document: Value = serde_json::from_str(text)
        .map_err(|error| vec![Problem::new("", format!("not JSON: {error}"))])?;
    let mut problems = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Object<T>>(&document) {
            Ok(settings) if problems.is_empty() => return Ok(settings.0),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        note(problem(&error), &mut problems);
        if problems.len() == MAX_PROBLEMS || !take_out(&mut document, error.path()) {
            return Err(problems);
        }
    }
}

/// Keeps a problem, unless it only follows from one inside it: a member taken out is missing afterwards.
fn note(problem: Problem, problems: &mut Vec<Problem>) {
    let inside = format!("{}/", problem.setting);
    if !problems
        .iter()
        .any(|known| known.setting.starts_with(&inside))
    {
        problems.push(problem);
    }
}

fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let member = error
        .path()
        .iter()
        .next_back()
        .map(Segment::to_string)
        .unwrap_or_default();
    Problem::new(
        pointer(error.path()),
        message::of(&error.inner().to_string(), &member),
    )
}

fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| format!("/{}", escaped(&name(segment))))
        .collect()
}

fn name(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => index.to_string(),
        other => other.to_string(),
    }
}

fn escaped(name: &str) -> String {
    let name: String = name.chars().take(MAX_NAME).collect();
    name.replace('~', "~0").replace('/', "~1")
}

/// Removes the innermost object member on the path, so that the next reading finds the next problem. An
/// element of a list takes its list with it: removing it alone would shift the places of those after it.
fn take_out(document: &mut Value, path: &Path) -> bool {
    let segments: Vec<&Segment> = path.iter().collect();
    let Some(last) = segments
        .iter()
        .rposition(|segment| matches!(segment, Segment::Map { .. }))
    else {
        return false;
    };
    let parent = segments[..last]
        .iter()
        .try_fold(document, |value, segment| match segment {
            Segment::Map { key } => value.get_mut(key),
            Segment::Seq { index } => value.get_mut(index),
            _ => None,
        });
    let member = segments[last].to_string();
    parent
        .and_then(Value::as_object_mut)
        .is_some_and(|object| object.remove(&member).is_some())
}
