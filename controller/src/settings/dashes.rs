//! Go's `flag` package, which the old controller had, takes `-name` for `--name`.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::Command;

/// The same command line with two dashes before each long name.
pub(super) fn doubled(
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let names = command.get_arguments().flat_map(|argument| {
        let aliases = argument.get_all_aliases().unwrap_or_default();
        argument.get_long().into_iter().chain(aliases)
    });
    let known: BTreeSet<&str> = names.chain(["help", "version"]).collect();
    let is_long = |argument: &OsStr| {
        let rest = argument.to_str().and_then(|text| text.strip_prefix('-'));
        let name = rest.map(|rest| rest.split_once('=').map_or(rest, |(name, _)| name));
        // One letter is a short name.
        name.is_some_and(|name| name.len() > 1 && known.contains(name))
    };
    let double = |argument: OsString| match is_long(&argument) {
        true => {
            let mut doubled = OsString::from("-");
            doubled.push(argument);
            doubled
        }
        false => argument,
    };
    arguments.into_iter().map(double).collect()
}
