//! Azure's identifiers, each with its own rule of equality.
//!
//! Two strings that mean different things cannot be swapped, and ids that Azure compares without regard to
//! case are compared so everywhere. All of them keep the spelling they came with, because that is what goes
//! into logs and upstream requests. Cloning is cheap.

mod arm;
mod invalid;
mod text;

pub use arm::{MAX_RESOURCE_ID, ResourceId};
pub use invalid::InvalidId;

use text::identifier;

/// Longest [`Resource`], in bytes. App ID URIs are at most 255 characters; the rest is room for what custom
/// applications do. Each resource may become an entry of a cache, so it must have a bound.
pub const MAX_RESOURCE: usize = 1024;

/// Longest [`TenantId`], in bytes: that of a domain name (RFC 1035 §2.3.4).
pub const MAX_TENANT: usize = 253;

identifier! {
    /// The client id (application id) of an identity: a GUID, compared without regard to case.
    ClientId, "client id", ignore_case, guid
}

identifier! {
    /// The object id (principal id) of an identity's service principal: a GUID, compared without regard to
    /// case. Not the [`ClientId`], although it looks like one.
    ObjectId, "object id", ignore_case, guid
}

identifier! {
    /// A tenant of Microsoft Entra ID: a GUID or one of its domains, compared without regard to case.
    ///
    /// It becomes a segment of the token endpoint's path, so nothing but letters, digits, `-`, `_` and single
    /// dots is let in. AD FS calls its only tenant `adfs`, which fits.
    TenantId, "tenant id", ignore_case, tenant
}

identifier! {
    /// What a token is for, its audience: an App ID URI such as `https://vault.azure.net`, or a GUID.
    ///
    /// Compared byte by byte: Entra ID puts the spelling, a trailing slash included, into the token, and some
    /// services accept only one of them. White space around it is dropped.
    Resource, "resource", exact, resource
}

fn guid(what: &'static str, text: &str) -> Result<(), InvalidId> {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let shaped = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => DASHES.contains(&at),
            _ => byte.is_ascii_hexdigit() && !DASHES.contains(&at),
        });
    let expected = "a GUID such as 01234567-89ab-cdef-0123-456789abcdef";
    shaped
        .then_some(())
        .ok_or_else(|| InvalidId::form(what, text, expected))
}

fn tenant(what: &'static str, text: &str) -> Result<(), InvalidId> {
    InvalidId::bound(what, text, MAX_TENANT)?;
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.')
        .all(label)
        .then_some(())
        .ok_or_else(|| InvalidId::form(what, text, "a GUID or a domain such as contoso.com"))
}

fn resource(what: &'static str, text: &str) -> Result<(), InvalidId> {
    InvalidId::bound(what, text, MAX_RESOURCE)?;
    if text.chars().any(char::is_control) {
        let expected = "an App ID URI such as https://vault.azure.net, without control characters";
        return Err(InvalidId::form(what, text, expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
