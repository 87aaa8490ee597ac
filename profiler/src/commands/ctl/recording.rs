//! Recordings that the collector makes.

use std::{thread, time::Duration};

use anyhow::{Result, bail};
use clap::Subcommand;

use super::{Arguments, OTHER, ask, show, text};
use crate::{
    daemon::{
        messages::{Answer, Request},
        recordings::{RecordingStatus, State, Wanted},
    },
    values,
};

/// How often it is looked whether a recording has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub enum Step {
    /// Begin one; what overlaps goes into one capture. It ends when it is stopped, or by its limits
    Start {
        /// Its name, and its capture's [default: by the time]
        #[arg(default_value = "", hide_default_value = true)]
        name: String,
        /// A target of the collector's configuration; may be repeated [default: all]
        #[arg(long, value_name = "NAME")]
        target: Vec<String>,
        /// How long, as in 30s or 5m [default: what the configuration allows]
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        duration: Option<Duration>,
        /// How large its capture may be before it is packed, as in 100MiB [default: what the configuration allows]
        #[arg(long, value_name = "BYTES", value_parser = values::payload)]
        size: Option<u64>,
    },
    /// End one, and wait until its capture is complete
    Stop { name: String },
    /// Those that run, and those that ended last
    List,
}

pub fn run(args: &Arguments, step: &Step) -> Result<()> {
    let recordings = match step {
        Step::Start { name, target, duration, size } => {
            let recording = Wanted {
                name: name.clone(),
                targets: target.clone(),
                seconds: duration.map(|duration| duration.as_secs().max(1)),
                bytes: *size,
            };
            asked(args, &Request::StartRecording { recording })?
        }
        Step::Stop { name } => {
            asked(args, &Request::StopRecording { name: name.clone() })?;
            vec![wait_for_end(args, name)?]
        }
        Step::List => asked(args, &Request::Recordings {})?,
    };
    show(args, &recordings, |recordings| text::recordings(recordings))
}

fn wait_for_end(args: &Arguments, name: &str) -> Result<RecordingStatus> {
    loop {
        let all = asked(args, &Request::Recordings {})?;
        // Of several of one name, the last one is the first.
        let Some(found) = all.iter().find(|one| one.name == name) else {
            bail!("the recording {name:?} is gone")
        };
        let others_run = || all.iter().any(|one| one.capture == found.capture && one.state == State::Running);
        match found.state {
            State::Failed => bail!("the recording failed: {}", found.why.as_deref().unwrap_or_default()),
            State::Ending if !others_run() => thread::sleep(LOOK_INTERVAL),
            State::Running => thread::sleep(LOOK_INTERVAL),
            State::Ending | State::Complete => return Ok(found.clone()),
        }
    }
}

fn asked(args: &Arguments, request: &Request) -> Result<Vec<RecordingStatus>> {
    match ask(args, request)? {
        Answer::Recordings(recordings) => Ok(recordings),
        _ => bail!(OTHER),
    }
}
