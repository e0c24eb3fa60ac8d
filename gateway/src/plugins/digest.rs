//! SHA-256, which says that a component is the one that was meant.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(out)
    }

    /// Whether this is how it is written in hexadecimal, in either case.
    pub(super) fn is(&self, written: &str) -> bool {
        self.to_string().eq_ignore_ascii_case(written)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
