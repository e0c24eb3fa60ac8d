//! certificate-auth: the credential plugin for service principals with a certificate.
//!
//! ```text
//! question ─▶ endpoint ─▶ assertion (header, claims) ─▶ keys.sign ─▶ request ─▶ http.send ─▶ answer
//!             v1, v2,       PS256 + x5t#S256, or         the host's    form        the host's    token, or refused,
//!             AD FS         RS256 + x5t                                                          or unavailable
//! ```
//! The private key never comes here: the host signs by handle and sends to the granted hosts. What the
//! plugin knows of the protocol is in pure modules; [`component`](self) only joins them.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[cfg(target_family = "wasm")]
mod component;

pub mod answer;
pub mod assertion;
pub mod endpoint;
pub mod failure;
pub mod request;
pub mod settings;
