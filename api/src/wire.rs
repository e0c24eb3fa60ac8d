//! How the kinds read what is on the wire.
//!
//! The schema of these kinds requires nothing, and Go writes and reads `null` and nothing alike. So a missing
//! or null field is its default everywhere, `spec` included; otherwise one such object would make a whole
//! list unreadable. A field that podgate acts on and that has a wrong type is an error all the same: guessing
//! would be worse.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(crate) mod embedded;

/// Reads `null` as the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a field that nobody acts on: what has a wrong type is not there.
pub(crate) fn leftover<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Gives a part of a kind that has serde's derives with `remote = "Self"` its traits: reading one that is
/// missing or null gives the default.
macro_rules! optional {
    ($part:ident) => {
        impl<'de> serde::Deserialize<'de> for $part {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct Present(#[serde(deserialize_with = "inherent")] $part);

                fn inherent<'de, D: serde::Deserializer<'de>>(d: D) -> Result<$part, D::Error> {
                    $part::deserialize(d)
                }

                let part = Option::<Present>::deserialize(deserializer)?;
                Ok(part.map(|present| present.0).unwrap_or_default())
            }
        }

        impl serde::Serialize for $part {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $part::serialize(self, serializer)
            }
        }
    };
}

pub(crate) use optional;
