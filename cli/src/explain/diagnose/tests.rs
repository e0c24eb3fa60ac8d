//! Every cause, from facts that differ from those of a healthy pod in one place.

mod binding;
mod fixture;
mod node;
mod pod;
mod record;
mod told;
