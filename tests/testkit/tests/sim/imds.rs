//! IMDS: what it gives, what it refuses, and how it says so.

mod limits;
mod metadata;
mod rules;
mod tokens;
