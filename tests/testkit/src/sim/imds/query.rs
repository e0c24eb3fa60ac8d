//! The query: each name once, nothing unknown, nothing ambiguous in how it is written.

use url::form_urlencoded;

use super::refusal::Refusal;

/// A query without duplicates.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that are not in `known`. IMDS's treatment of unknown ones is not documented; podgate builds
    /// its queries itself, so that an unknown name can only have come from a pod.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Refusal::invalid(format!(
                "azure-sim: unknown query variable '{name}'"
            ))),
            None => Ok(()),
        }
    }

    /// The value of a parameter that must be there, and not be empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        match self.get(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Refusal::invalid(format!(
                "Required query variable '{name}' is missing"
            ))),
        }
    }
}

/// Takes a query apart.
pub(super) fn parse(raw: Option<&str>) -> Result<Query, Refusal> {
    let mut pairs = Vec::<(String, String)>::new();
    for piece in raw.unwrap_or_default().split('&').filter(|_| raw.is_some()) {
        let (name, value) = pair(piece)?;
        if pairs.iter().any(|(known, _)| *known == name) {
            // The docs: IMDS rejects requests with duplicate query names.
            return Err(Refusal::invalid(format!(
                "azure-sim: query variable '{name}' is repeated"
            )));
        }
        pairs.push((name, value));
    }
    Ok(Query(pairs))
}

fn pair(piece: &str) -> Result<(String, String), Refusal> {
    if !piece.contains('=') || piece.contains('+') || !escapes_are_whole(piece) {
        return Err(Refusal::invalid(
            "azure-sim: a query is name=value, joined by &, with %XX escapes and no +",
        ));
    }
    let (name, value) = form_urlencoded::parse(piece.as_bytes())
        .next()
        .unwrap_or_default();
    let strange =
        |text: &str| text.contains(char::REPLACEMENT_CHARACTER) || text.contains(char::is_control);
    match name.is_empty() || strange(&name) || strange(&value) {
        true => Err(Refusal::invalid(
            "azure-sim: a query variable has a name, and is UTF-8 without control characters",
        )),
        false => Ok((name.into_owned(), value.into_owned())),
    }
}

fn escapes_are_whole(piece: &str) -> bool {
    piece
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}
