//! `podgate VERB`.

use std::process::ExitCode;

fn main() -> ExitCode {
    podgate_cli::main()
}
