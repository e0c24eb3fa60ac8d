//! What all identifiers share: one immutable text, parsed once.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Makes an identifier of a checked text. `$case` is `ignore_case` or `exact`, `$check` the rule of its form.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $case:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text, in the spelling it came with.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let text = text.trim();
                if text.is_empty() {
                    return Err($crate::ids::InvalidId::Empty { what: $what });
                }
                $check($what, text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ids::InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                $crate::ids::text::$case::compare(&self.0, &other.0)
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                $crate::ids::text::$case::hash(&self.0, state);
            }
        }
    };
}

pub(super) use identifier;

/// ASCII case does not matter.
pub(super) mod ignore_case {
    use super::{Hasher, Ordering};

    /// Bytes that are lowered and hashed at a time; a GUID and most resource ids' parts fit.
    const CHUNK: usize = 64;

    pub(in crate::ids) fn compare(one: &str, other: &str) -> Ordering {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        one.bytes().map(lower).cmp(other.bytes().map(lower))
    }

    pub(in crate::ids) fn hash<H: Hasher>(text: &str, state: &mut H) {
        for chunk in text.as_bytes().chunks(CHUNK) {
            let mut lower = [0; CHUNK];
            let lower = &mut lower[..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            state.write(lower);
        }
        // As `str` does, so that a tuple of two texts hashes differently from their concatenation.
        state.write_u8(0xff);
    }
}

/// Every byte matters.
pub(super) mod exact {
    use super::{Hash, Hasher, Ordering};

    pub(in crate::ids) fn compare(one: &str, other: &str) -> Ordering {
        one.cmp(other)
    }

    pub(in crate::ids) fn hash<H: Hasher>(text: &str, state: &mut H) {
        text.hash(state);
    }
}
