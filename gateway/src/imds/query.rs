//! The one canonicaliser of query strings.

/// More than any client sends.
const MAX_PAIRS: usize = 16;
/// A resource of 1 KiB, escaped, and some.
const MAX_LENGTH: usize = 4096;

/// A query string, decoded: each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind the `?`.
    ///
    /// # Errors
    /// What is wrong with it: a name twice in any spelling (real IMDS refuses that as well), a broken
    /// escape, text that is not UTF-8, control characters.
    pub fn parse(raw: &str) -> Result<Self, String> {
        if raw.len() > MAX_LENGTH {
            return Err(format!("the query is longer than {MAX_LENGTH} bytes"));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(&name))
            {
                return Err(format!("the parameter {name} is there twice"));
            }
            pairs.push((name, value));
            if pairs.len() > MAX_PAIRS {
                return Err(format!("the query has more than {MAX_PAIRS} parameters"));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; one that is empty counts as missing, as it always did.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Percent-decoding, strict: a `%` is followed by two hexadecimal digits or the query is refused.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => escaped(bytes.next(), bytes.next()).ok_or("the query has a broken escape")?,
            b'+' => b' ',
            other => other,
        });
    }
    let decoded = String::from_utf8(decoded).map_err(|_| "the query is not UTF-8")?;
    if decoded.chars().any(char::is_control) {
        return Err("the query has a control character".to_owned());
    }
    Ok(decoded)
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(high?)? * 16 + digit(low?)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
