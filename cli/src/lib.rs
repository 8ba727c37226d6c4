//! `hextetctl`: *what does an operator type, and what does he read?*
//!
//! ```text
//! args (clap) ──► run ──► client ── HTTP over the UNIX socket ──► hextetd
//!                  │
//!                  └──► show: an answer's types to aligned text (or --json: the answer as it came)
//! ```
//!
//! The crate knows the API's types and nothing of the router. Functions of `show` are pure: answer in, text out.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;

pub mod args;
mod client;
mod error;
mod paint;
mod run;
mod show;
mod table;
mod units;
mod words;

pub use error::Error;

/// Runs `hextetctl` with the arguments of a process, its name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match args::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(fault) => {
            // Help and version come this way, too, and are no faults. A closed terminal is not worth a word.
            let _ = fault.print();
            return if fault.use_stderr() {
                ExitCode::from(error::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(Error::Output)
        .and_then(|runtime| runtime.block_on(run::run(cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us has read enough: `hextetctl show routes | head`.
        Err(Error::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let paint = paint::Paint::new(io::stderr().is_terminal());
            eprintln!("{} {error}", paint.bad("hextetctl:"));
            ExitCode::from(error.exit_code())
        }
    }
}
