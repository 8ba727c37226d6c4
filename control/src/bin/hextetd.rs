//! `hextetd`: the router.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Hextet, an IPv6-first virtual router.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Signals: SIGHUP reloads the configuration, SIGTERM stops."
)]
struct Args {
    /// The configuration file.
    #[arg(long, default_value = "/etc/hextet/hextetd.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Say every fault of a configuration file, with line and field, and run nothing.
    Check {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Check { file }) => control::check(file),
        None => control::run(&args.config),
    };
    control::log::finish();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hextetd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
