//! `kubectl podgate VERB`: kubectl finds its plugins by their names.

use std::process::ExitCode;

fn main() -> ExitCode {
    podgate_cli::main()
}
