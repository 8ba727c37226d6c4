//! Commands that end (`run`) and daemons that stay (`Daemon`), always ended by pid.

use crate::Result;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a finished command said.
#[derive(Debug)]
pub struct Output {
    /// The command line.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Itself if the command succeeded; else an error that shows the command and what it said.
    ///
    /// # Errors
    /// When the exit status is not 0.
    pub fn ok(self) -> Result<Self> {
        if !self.status.success() {
            bail!(
                "`{}` failed ({}):\n{}{}",
                self.command,
                self.status,
                self.stdout,
                self.stderr
            );
        }
        Ok(self)
    }
}

/// Runs a command line, split at blanks (quotes `'...'` keep an argument whole), and waits.
///
/// # Errors
/// When the program cannot be started.
pub fn run(command: &str) -> Result<Output> {
    let words = split(command);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{command}`"))?;
    Ok(Output {
        command: command.to_owned(),
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A background process with its output in a file; ended when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Daemon {
    /// Starts a command line in the background; standard output and error go to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &str, log: &Path) -> Result<Self> {
        let words = split(command);
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start `{command}`"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            name: command.to_owned(),
        })
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
            .with_context(|| format!("signalling `{}`", self.name))
    }

    /// Waits up to `limit` for its end.
    ///
    /// # Errors
    /// When it still runs then; the log is in the message.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= end {
                bail!(
                    "`{}` still runs after {limit:?}; it said:\n{}",
                    self.name,
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.signal(Signal::SIGTERM);
            if self.wait(Duration::from_secs(5)).is_err() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// Splits a command line at blanks; single quotes keep blanks.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut any = false;
    for c in command.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                any = true;
            }
            c if c.is_whitespace() && !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                    any = false;
                }
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_at_blanks_but_not_in_quotes() {
        assert_eq!(split("a  'b c' d"), ["a", "b c", "d"]);
        assert_eq!(split("sh -c 'x; y' ''"), ["sh", "-c", "x; y", ""]);
    }

    #[test]
    fn a_failing_command_shows_what_it_said() {
        let error = run("sh -c 'echo broken >&2; exit 3'")
            .unwrap()
            .ok()
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken"), "{error}");
    }
}
