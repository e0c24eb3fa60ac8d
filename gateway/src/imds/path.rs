//! The one canonicaliser of paths.
//!
//! CVE-2022-23551: the old gateway compared one spelling and forwarded another, so that a backslash
//! reached the real IMDS. Here a path is either in the one spelling that routes compare, or refused.

use std::fmt;

/// No route is longer.
const MAX_LENGTH: usize = 512;

/// A path in its only spelling: `/` and segments of unreserved characters, none empty, none of dots.
/// The first segment is lower case if it is `metadata` in any case, as on real IMDS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath(String);

impl CanonicalPath {
    /// Reads the path of a request, without its query.
    ///
    /// Two leniencies, both needed by real clients: slashes repeated at the start (Java's
    /// `//metadata/…`) and one slash at the end.
    ///
    /// # Errors
    /// What in the path is not canonical. Nothing is decoded: an escape has no business in these paths.
    pub fn parse(raw: &str) -> Result<Self, &'static str> {
        if raw.len() > MAX_LENGTH {
            return Err("the path is too long");
        }
        let rest = raw.trim_start_matches('/');
        if rest.len() == raw.len() {
            return Err("the path does not start with a slash");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Ok(Self("/".to_owned()));
        }
        let mut path = String::with_capacity(rest.len() + 1);
        for (position, segment) in rest.split('/').enumerate() {
            check(segment)?;
            path.push('/');
            match position {
                0 if segment.eq_ignore_ascii_case("metadata") => path.push_str("metadata"),
                _ => path.push_str(segment),
            }
        }
        Ok(Self(path))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3986 unreserved characters only: no escapes, parameters, backslashes, controls or non-ASCII.
fn check(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("the path has an empty segment");
    }
    if segment.bytes().all(|byte| byte == b'.') {
        return Err("the path has a segment of dots");
    }
    if segment.ends_with('.') {
        return Err("the path has a segment that ends in a dot");
    }
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if segment.bytes().all(plain) {
        Ok(())
    } else {
        Err(
            "the path has a character that no metadata path has (an escape, a backslash, a semicolon…)",
        )
    }
}

#[cfg(test)]
mod tests;
