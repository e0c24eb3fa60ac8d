//! Entra with client secrets, its errors, and what clients discover.

mod refusals;
mod tokens;
