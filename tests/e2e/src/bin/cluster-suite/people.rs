//! The user-assigned identities of the cases, each with one purpose, so that cases side by side do not disturb one another.

use podgate_e2e::demo;
use podgate_testkit::ManagedIdentity;

/// By number: client ids follow from it.
const NAMES: [&str; 26] = [
    "cluster",
    "foreign",
    "lasting",
    "single",
    "doomed",
    "loose",
    "first",
    "second",
    "right",
    "wrong",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "red",
    "blue",
    "shared",
    "taken",
    "restored",
    "good",
    "late",
    "same-shop",
    "same-depot",
    "mended",
    "changed",
];

/// The one with this name.
pub(crate) fn identity(name: &str) -> ManagedIdentity {
    let number = NAMES.iter().position(|known| *known == name);
    let number = number.unwrap_or(NAMES.len());
    ManagedIdentity {
        client_id: format!("1d000000-0000-4000-8000-{number:012}"),
        object_id: format!("0b000000-0000-4000-8000-{number:012}"),
        resource_id: demo::resource_id(name),
    }
}

/// All that are there from the beginning; `late` is created by its case.
pub(crate) fn from_the_beginning() -> impl Iterator<Item = ManagedIdentity> {
    let early = NAMES.iter().filter(|name| **name != "late");
    early.map(|name| identity(name))
}

/// All that are ever there.
pub(crate) fn everybody() -> impl Iterator<Item = ManagedIdentity> {
    NAMES.iter().map(|name| identity(name))
}

/// What a pod gets by it.
pub(crate) fn client_id(name: &str) -> String {
    identity(name).client_id
}
