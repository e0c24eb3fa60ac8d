//! x
pub(crate) async fn pyjwt_accepts_each() {}
pub(crate) async fn pyjwt_refuses_what_was_touched() {}
