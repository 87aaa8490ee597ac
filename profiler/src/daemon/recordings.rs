//! Recordings on demand: captures as `profiler record` makes them, of targets of the configuration. All go by the one set of
//! probes that is held since the start. Those that overlap are of one session, and share its capture.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::mpsc::{Receiver, Sender},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use capture::{Direction as Way, Milestone, MilestoneName, ProcessSerial, Record, Writer};
use serde::{Deserialize, Serialize};

use super::{
    captures::Packed,
    config::{self, Config},
    transfers::{Direction, Ended, Outcome},
    watch::Watch,
};
use crate::{
    clock::{now_ns, wall_ns},
    collect::recording::{self, Held, Recording, Subject},
};

/// Recordings that have ended, of which it is told.
const KEPT: usize = 64;

/// Recordings of one session.
const AT_ONCE: usize = 16;

/// How often restarted targets are looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub name: String,
    /// Of the configuration; none are all.
    pub targets: Vec<String>,
    /// Less than the configuration allows, or nothing.
    pub seconds: Option<u64>,
    /// Of the session's capture, before it is packed.
    pub bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    /// The probes are being detached, or others still record into the same capture.
    Ending,
    Complete,
    /// Its capture is readable up to where it failed.
    Failed,
}

/// A recording as it is told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingStatus {
    pub name: String,
    pub targets: Vec<String>,
    pub state: State,
    /// Why it ended.
    pub why: Option<String>,
    /// Seconds since 1970.
    pub began_s: f64,
    pub lasted_s: f64,
    pub capture: PathBuf,
    pub capture_bytes: u64,
    pub is_packed: bool,
    /// Others record, or recorded, into the same capture.
    pub is_shared: bool,
    /// Followed so far in the session, those that ended included.
    pub processes: u64,
}

pub struct Recordings {
    /// `None` while a session has them, and if there are none: see `missing`.
    held: Option<Held>,
    /// Why nothing can be recorded.
    missing: Option<String>,
    limits: config::Recordings,
    session: Option<Session>,
    ended: VecDeque<RecordingStatus>,
    to_pack: Sender<PathBuf>,
    packed: Receiver<Packed>,
}

struct Session {
    recording: Recording,
    began_ns: u64,
    capture: PathBuf,
    members: Vec<Member>,
    looked: Instant,
    /// Each process that was followed, by its id.
    seen: HashMap<u32, Seen>,
    /// That it is being ended.
    is_ending: bool,
}

struct Member {
    status: RecordingStatus,
    began: Instant,
    longest: Duration,
    largest_bytes: u64,
    watch: Watch,
}

/// Peer payload within the session.
#[derive(Clone, Copy)]
struct Seen {
    serial: ProcessSerial,
    received: u64,
    sent: u64,
}

impl Recordings {
    pub fn new(
        held: Result<Held>,
        limits: config::Recordings,
        to_pack: Sender<PathBuf>,
        packed: Receiver<Packed>,
    ) -> Self {
        let (held, missing) = match held {
            Ok(held) => (Some(held), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        Self { held, missing, limits, session: None, ended: VecDeque::new(), to_pack, packed }
    }

    /// Begins one, in a new session or in the one that is on; gives whether its own file is used then.
    ///
    /// # Errors
    /// It cannot be recorded. Nothing is left of it.
    pub fn start(
        &mut self,
        wanted: &Wanted,
        out: Writer,
        config: &Config,
    ) -> Result<(RecordingStatus, bool)> {
        if let Some(missing) = &self.missing {
            bail!("nothing can be recorded until a restart: {missing}");
        }
        let all = self.session.iter().flat_map(|session| &session.members).map(|member| &member.status);
        ensure!(
            all.chain(&self.ended).all(|one| one.name != wanted.name || one.state == State::Complete),
            "a recording {:?} is there already",
            wanted.name
        );
        let config = only(config, &wanted.targets)?;
        let watch = Watch::new(&config)?;
        let (began_session, own_path) = (self.session.is_none(), out.path().to_owned());
        let mut session = match self.session.take() {
            None => Session::begin(out, &mut self.held, &config)?,
            Some(session) if session.is_ending => {
                self.session = Some(session);
                bail!("the recording before is just being ended: try again");
            }
            Some(session) => session,
        };
        let joined = session.join(wanted, &config, watch, &self.limits);
        if began_session && joined.is_err() {
            // Nobody records.
            let (held, _) = session.recording.release();
            self.held = held;
            return joined.map(|status| (status, true));
        }
        debug_assert!(!began_session || session.capture == own_path);
        self.session = Some(session);
        Ok((joined?, began_session))
    }

    /// Ends one; what it is then may take a while.
    ///
    /// # Errors
    /// None of this name runs.
    pub fn stop(&mut self, name: &str) -> Result<RecordingStatus> {
        let session = self.session.as_mut().with_context(|| format!("no recording {name:?} runs"))?;
        let running = |member: &&mut Member| member.status.name == name && member.is_running();
        let member = session.members.iter_mut().find(running);
        let member = member.with_context(|| format!("no recording {name:?} runs"))?;
        member.end("it was stopped");
        Ok(member.status.clone())
    }

    /// Those that run, and then those that ended last.
    pub fn list(&self) -> Vec<RecordingStatus> {
        let running = self.session.iter().flat_map(|session| &session.members);
        let running = running.map(|member| member.status.clone());
        running.chain(self.ended.iter().rev().cloned()).collect()
    }

    /// Whether some run.
    pub fn are_running(&self) -> bool {
        self.session.is_some()
    }

    /// Looks after the session: finds restarted targets, keeps limits, ends what is over.
    pub fn look(&mut self) {
        for (path, size) in self.packed.try_iter() {
            if let Err(error) = &size {
                tracing::warn!("{error:#}; it is complete, and stays as large as it is");
            }
            for one in self.ended.iter_mut().filter(|one| one.capture == path) {
                if let Ok(size) = size {
                    (one.capture_bytes, one.is_packed) = (size, true);
                }
            }
        }
        let Some(session) = &mut self.session else { return };
        session.look();
        if session.is_ending && !session.recording.is_running() || session.has_failed() {
            self.end_session();
        }
    }

    /// Notes a transfer that has ended, by one of these processes, in the capture if that has all of it; gives where that is.
    pub fn transfer(&mut self, ended: &Ended, pids: &[u32]) -> Option<PathBuf> {
        let session = self.session.as_mut().filter(|session| session.began_ns <= ended.began_ns)?;
        session.note_processes();
        match session.note(ended, pids) {
            Ok(true) => Some(session.capture.clone()),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!("note the transfer {:?} in its capture: {error:#}", ended.transfer.label);
                None
            }
        }
    }

    fn end_session(&mut self) {
        let Some(session) = self.session.take() else { return };
        let Session { recording, capture, members, .. } = session;
        let (held, detached) = recording.release();
        if held.is_none() {
            self.missing = Some("the thread that recorded has ended unexpectedly".to_owned());
        }
        self.held = held;
        let why = members.iter().rev().find_map(|member| member.status.why.as_deref());
        let outcome = detached.and_then(|mut detached| detached.end(why.unwrap_or("the service ended it")));
        if let Err(error) = &outcome {
            tracing::error!("the recording into {} failed: {error:#}", capture.display());
        }
        for Member { mut status, .. } in members {
            match &outcome {
                Ok(bytes) => (status.state, status.capture_bytes) = (State::Complete, *bytes),
                Err(error) => (status.state, status.why) = (State::Failed, Some(format!("{error:#}"))),
            }
            if self.ended.len() == KEPT {
                self.ended.pop_front();
            }
            self.ended.push_back(status);
        }
        if outcome.is_ok() {
            let _ = self.to_pack.send(capture);
        }
    }

    /// Ends all at once, for who is about to stop.
    pub fn end_all(&mut self) {
        if let Some(session) = &mut self.session {
            session.members.iter_mut().for_each(|member| member.end("the service was stopped"));
            self.end_session();
        }
    }
}

impl Session {
    fn begin(out: Writer, held: &mut Option<Held>, config: &Config) -> Result<Self> {
        let capture = out.path().to_owned();
        let names: Vec<&str> = config.names().collect();
        let subject = Subject { targets: names.join(", "), ..Subject::default() };
        Ok(Self {
            recording: recording::start_held(out, held, &subject)?,
            began_ns: now_ns(),
            capture,
            members: Vec::new(),
            looked: Instant::now(),
            seen: HashMap::new(),
            is_ending: false,
        })
    }

    fn join(
        &mut self,
        wanted: &Wanted,
        config: &Config,
        mut watch: Watch,
        limits: &config::Recordings,
    ) -> Result<RecordingStatus> {
        ensure!(
            self.members.len() < AT_ONCE,
            "{AT_ONCE} recordings share this capture already: wait for its end"
        );
        for error in watch.begin(&mut self.recording) {
            tracing::warn!("recording {}: {error:#}", wanted.name);
        }
        let is_shared = !self.members.is_empty();
        self.members.iter_mut().for_each(|member| member.status.is_shared = true);
        let status = RecordingStatus {
            name: wanted.name.clone(),
            targets: config.names().map(str::to_owned).collect(),
            state: State::Running,
            why: None,
            began_s: wall_ns() as f64 / 1e9,
            lasted_s: 0.0,
            capture: self.capture.clone(),
            capture_bytes: 0,
            is_packed: false,
            is_shared,
            processes: self.recording.followed(),
        };
        self.members.push(Member {
            status: status.clone(),
            began: Instant::now(),
            longest: Duration::from_secs(limits.seconds(wanted.seconds)),
            largest_bytes: limits.bytes(wanted.bytes),
            watch,
        });
        tracing::info!(name = wanted.name, "recording into {}", self.capture.display());
        Ok(status)
    }

    fn look(&mut self) {
        let is_due = self.looked.elapsed() >= LOOK_INTERVAL;
        if is_due {
            self.looked = Instant::now();
        }
        self.note_processes();
        let (processes, bytes) = (self.recording.followed(), self.recording.capture_bytes());
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            if is_due {
                for error in member.watch.look(&mut self.recording) {
                    tracing::warn!("recording {}: {error:#}", member.status.name);
                }
            }
            let lasted = member.began.elapsed();
            (member.status.lasted_s, member.status.processes) = (lasted.as_secs_f64(), processes);
            member.status.capture_bytes = bytes;
            if lasted >= member.longest {
                member.end("its time was over");
            } else if bytes >= member.largest_bytes {
                member.end("its capture was as large as it might be");
            }
        }
        if !self.is_ending && !self.members.iter().any(Member::is_running) {
            self.is_ending = true;
            self.recording.ask_to_stop();
        }
    }

    /// Those that ended are told of for a while. Of two of one id the later one counts.
    fn note_processes(&mut self) {
        for process in self.recording.processes() {
            let seen = Seen {
                serial: ProcessSerial(process.serial),
                received: process.peer_rx_bytes,
                sent: process.peer_tx_bytes,
            };
            self.seen.insert(process.tgid, seen);
        }
    }

    /// Its thread has ended though nobody asked for it.
    fn has_failed(&self) -> bool {
        !self.is_ending && !self.recording.is_running()
    }

    /// Whether one of these processes was followed: of several it is the one that moved most.
    fn note(&self, ended: &Ended, pids: &[u32]) -> Result<bool> {
        let Ended { transfer, began_ns, .. } = ended;
        let moved = |seen: &Seen| match transfer.direction {
            Direction::Receive => seen.received,
            Direction::Transmit => seen.sent,
        };
        let Some(seen) = pids.iter().filter_map(|pid| self.seen.get(pid)).max_by_key(|seen| moved(seen))
        else {
            return Ok(false);
        };
        self.recording.push(Record::Transfer(capture::Transfer {
            label: transfer.label.clone(),
            process: seen.serial,
            direction: match transfer.direction {
                Direction::Receive => Way::Download,
                Direction::Transmit => Way::Upload,
            },
            // Of one that nobody marked there is nothing but the count.
            file_size_bytes: transfer.size_bytes.unwrap_or(transfer.kernel_bytes),
            requested_ns: *began_ns,
        }))?;
        milestones(ended).into_iter().try_for_each(|one| self.recording.push(Record::Milestone(one)))?;
        Ok(true)
    }
}

impl Member {
    fn is_running(&self) -> bool {
        self.status.state == State::Running
    }

    fn end(&mut self, why: &str) {
        if self.is_running() {
            self.status.state = State::Ending;
            self.status.why = Some(why.to_owned());
            self.status.lasted_s = self.began.elapsed().as_secs_f64();
            tracing::info!(name = self.status.name, "the recording ends: {why}");
        }
    }
}

/// What marks claim: a part of the payload was there at the first mark that says so, or at any time since the one before.
fn milestones(ended: &Ended) -> Vec<Milestone> {
    let Ended { transfer, began_ns, .. } = ended;
    let Some(size) = transfer.size_bytes else { return Vec::new() };
    let mut claims: Vec<(f64, u64)> = vec![(0.0, 0)];
    claims.extend(transfer.marks.iter().map(|mark| (mark.at_s, mark.app_bytes)));
    if transfer.outcome == Outcome::Complete {
        claims.push((transfer.lasted_s, size));
    }
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let names = [MilestoneName::P50, MilestoneName::P90, MilestoneName::P100];
    let found = names.into_iter().zip([50, 90, 100]).filter_map(|(name, percent)| {
        let needed = (u128::from(size) * percent).div_ceil(100) as u64;
        let place = claims.iter().position(|(_, bytes)| *bytes >= needed).filter(|place| *place > 0)?;
        let ((before_s, _), (at_s, bytes)) = (claims[place - 1], claims[place]);
        Some(Milestone {
            label: transfer.label.clone(),
            name,
            at_ns: began_ns + ns(at_s),
            resolution_ns: ns(at_s - before_s),
            bytes,
        })
    });
    found.collect()
}

/// The configuration with these targets alone.
fn only(config: &Config, names: &[String]) -> Result<Config> {
    for name in names {
        ensure!(
            config.names().any(|known| known == name),
            "no target is called {name:?}: there are {}",
            config.names().collect::<Vec<_>>().join(", ")
        );
    }
    let mut config = config.clone();
    config.targets.retain(|target| names.is_empty() || names.contains(&target.name));
    Ok(config)
}
