//! Why a text is no identifier.

use thiserror::Error;

/// How much of a hostile text an error repeats, in characters: enough to recognise a slip.
const EXCERPT: usize = 64;

/// Why a text is no identifier. The message is one for whoever wrote the text, and of bounded length.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidId {
    /// Nothing is there.
    #[error("{what} is empty")]
    Empty {
        /// Which identifier, in words.
        what: &'static str,
    },
    /// Longer than any real one.
    #[error("{what} is {length} bytes long, at most {limit} are allowed")]
    TooLong {
        /// Which identifier, in words.
        what: &'static str,
        /// What came, in bytes.
        length: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// Not of the form Azure gives it.
    #[error("{what} {excerpt:?} is not {expected}")]
    Form {
        /// Which identifier, in words.
        what: &'static str,
        /// The text, or its beginning.
        excerpt: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl InvalidId {
    pub(super) fn form(what: &'static str, text: &str, expected: &'static str) -> Self {
        Self::Form {
            what,
            excerpt: text.chars().take(EXCERPT).collect(),
            expected,
        }
    }

    pub(super) fn bound(what: &'static str, text: &str, limit: usize) -> Result<(), Self> {
        let length = text.len();
        match length <= limit {
            true => Ok(()),
            false => Err(Self::TooLong {
                what,
                length,
                limit,
            }),
        }
    }
}
