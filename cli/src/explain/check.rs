//! The checks: each looks for one cause, by the order of [`super::diagnose`].

pub(super) mod binding;
pub(super) mod node;
pub(super) mod pod;
pub(super) mod record;
