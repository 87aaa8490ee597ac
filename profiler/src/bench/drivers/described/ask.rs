//! Asks a node as its description says: by a command of its own, or over HTTP.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::Value;
use ureq::Agent;

use super::file::{Ask, Command, Way};
use super::template::{Template, Values};
use crate::bench::hosts::program::in_path;

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// How much of an answer that is none is shown.
const SHOWN_CHARS: usize = 200;

/// The answer without the white space around it, on the thread that asks: it is in the node's namespace.
pub fn ask<const PLACE: u8, const URL: u8>(ask: &Ask<PLACE, URL>, values: &Values) -> Result<String> {
    let answer = match &ask.way {
        Way::Command(command) => run(command, values, ask.limit)?,
        Way::Http { url, body } => http(&url.fill(values)?, body.as_ref(), values, ask.limit)?,
    };
    let Some(pointer) = &ask.pointer else { return Ok(answer.trim().to_owned()) };
    let json: Value = serde_json::from_str(&answer)
        .with_context(|| format!("the answer is no JSON: {}", shown(&answer)))?;
    match json.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value) => Ok(value.to_string()),
        None => bail!("the answer has nothing at {pointer}: {}", shown(&answer)),
    }
}

/// A command's words with their values, the program's path first.
pub fn words<const PLACE: u8>(command: &Command<PLACE>, values: &Values) -> Result<Vec<String>> {
    let program = in_path(&command.program).with_context(|| format!("{} is not in PATH", command.program))?;
    let program = program.to_str().with_context(|| format!("{} is not UTF-8", program.display()))?.to_owned();
    let arguments = command.arguments.iter().map(|argument| argument.fill(values));
    [Ok(program)].into_iter().chain(arguments).collect()
}

fn run<const PLACE: u8>(command: &Command<PLACE>, values: &Values, limit: Duration) -> Result<String> {
    let words = words(command, values)?;
    // In memory: an output that nobody reads meanwhile may be longer than a pipe.
    let (mut output, mut errors) = (in_memory()?, in_memory()?);
    let mut process = std::process::Command::new(&words[0]);
    process.args(&words[1..]).current_dir(&values.home).env_clear().env("HOME", &values.home);
    process.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    process.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(errors.try_clone()?);
    // SAFETY: the closure makes one system call. It neither allocates nor takes locks.
    unsafe { process.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
    let name = &command.program;
    let child = Killed(process.spawn().with_context(|| format!("start {name}"))?);
    let status = child.wait(limit).with_context(|| format!("wait for {name}"))?;
    let Some(status) = status else { bail!("{name} did not end within {limit:?}") };
    if !status.success() {
        bail!("{name} ended with {status}: {}", shown(&text_of(&mut errors)?));
    }
    text_of(&mut output)
}

fn in_memory() -> Result<File> {
    let file = memfd_create(c"answer", MemfdFlags::CLOEXEC).context("make a file in memory")?;
    Ok(File::from(file))
}

fn text_of(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A program that does not outlive the question.
struct Killed(Child);

impl Killed {
    fn wait(mut self, limit: Duration) -> Result<Option<std::process::ExitStatus>> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if started.elapsed() > limit {
                return Ok(None);
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn http<const PLACE: u8>(
    url: &str,
    body: Option<&Template<PLACE>>,
    values: &Values,
    limit: Duration,
) -> Result<String> {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(limit));
    let agent = config.build().new_agent();
    let answer = match body {
        Some(body) => agent.post(url).send(body.fill(values)?),
        None => agent.get(url).call(),
    };
    let mut answer = answer.with_context(|| format!("ask {url}"))?;
    let text = answer.body_mut().read_to_string().with_context(|| format!("read the answer of {url}"))?;
    ensure!(answer.status().is_success(), "{url} answered {}: {}", answer.status(), shown(&text));
    Ok(text)
}

fn shown(text: &str) -> String {
    text.trim().chars().take(SHOWN_CHARS).collect()
}
