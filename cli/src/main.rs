//! `hextetctl`: the appliance from a terminal.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
