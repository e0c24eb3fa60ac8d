//! What every plugin needs and none is about: settings as a type, and panics in the gateway's log.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::bindings::podgate::types::model::Problem;

/// Reads the settings, from `configure`.
///
/// # Errors
/// What is wrong, and where, as the gateway tells it to its operator.
pub fn settings<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    #[cfg(target_family = "wasm")]
    report_panics();
    let problem = |setting: String, message: String| vec![Problem { setting, message }];
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| problem(String::new(), error.to_string()))?;
    serde_path_to_error::deserialize(json)
        .map_err(|error| problem(pointer(error.path()), error.inner().to_string()))
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let escaped = |name: String| name.replace('~', "~0").replace('/', "~1");
    let name = |segment: &Segment| match segment {
        Segment::Seq { index } => index.to_string(),
        other => escaped(other.to_string()),
    };
    path.iter()
        .map(|segment| format!("/{}", name(segment)))
        .collect()
}

/// Without this the gateway's log has the trap alone, not the message and its line.
#[cfg(target_family = "wasm")]
fn report_panics() {
    use crate::bindings::podgate::types::log;
    std::panic::set_hook(Box::new(|panic| {
        log::write(log::Level::Error, &panic.to_string());
    }));
}
