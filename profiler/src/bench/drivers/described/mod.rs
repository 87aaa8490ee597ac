//! A system that a file describes: how a node is started, joined, given the file, asked for it, asked how far it is and
//! stopped.
//!
//! A leecher of a system whose download is a program of its own, such as curl, is a node that waits, and becomes that
//! program when it is asked: so it is a target before its first byte.

mod ask;
mod file;
mod template;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use capture::Role;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;

use super::{Control, Download, Driver, Entry, Meeting, Pace, Place, System};
use crate::bench::dataset::{self, Dataset, Sample};
use crate::bench::hosts::program::{Program, Source, User, in_path};
use ask::ask;
use file::{Description, Node, Progress, Ready, StopSignal};
use template::Values;

/// What a waiting node opens, and reads a line from.
const GO: &str = "go";
/// What it reads then: a script that becomes the download.
const SCRIPT: &str = "download";
/// Where it says which process it is.
const PID: &str = "pid";

const SHELL: &str = "/bin/sh";
/// How long a node that was just started may take until it waits.
const WAITS_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// The system that a file describes.
pub fn read(path: &Path) -> Result<System> {
    let description = file::read(path)?;
    let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let name = leaked(&description.name);
    let file::Pace {
        until_first_byte_s,
        leecher_bytes_per_s,
        cpu_s_per_byte,
        node_memory_bytes,
        node_start_s,
    } = description.pace;
    let entry = Entry {
        name,
        help: description.help.as_deref().map(leaked),
        pace: Pace {
            until_first_byte_s,
            leecher_bytes_per_s,
            cpu_s_per_byte,
            cpu_s_per_byte_and_peer: 0.0,
            node_memory_bytes,
            node_start_s,
        },
        driver: {
            let described = Arc::new(Described { name, path: path.to_owned(), description });
            Box::leak(Box::new(move |_: Option<&Path>| Ok(Arc::clone(&described) as Arc<dyn Driver>)))
        },
    };
    Ok(System::register(entry))
}

struct Described {
    name: &'static str,
    path: PathBuf,
    description: Description,
}

impl Described {
    fn node(&self, role: Role) -> &Node {
        match role {
            Role::Leecher => &self.description.leecher,
            _ => &self.description.seeder,
        }
    }

    fn values(&self, place: &Place) -> Result<Values> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => bail!("{} is not UTF-8", path.display()),
        };
        Ok(Values {
            home: text(&place.home)?,
            data: text(&place.data)?,
            file: dataset::FILE_NAME.to_owned(),
            address: place.address,
            seeder: place.seeder,
            peer_port: self.description.peer_port,
            control_port: self.description.control_ports.first().copied(),
            file_size_bytes: place.file_size_bytes,
            contact: place.contact.clone(),
            reference: None,
        })
    }
}

impl Driver for Described {
    fn program(&self, role: Role) -> Program {
        let path = match &self.node(role).start {
            Some(start) => in_path(&start.program).unwrap_or_else(|| start.program.clone().into()),
            None => SHELL.into(),
        };
        Program { name: self.name, source: Source::File(path), user: User::Root }
    }

    /// What its nodes call, and the description itself: another one makes other results.
    fn helpers(&self) -> Vec<Program> {
        let program = |name: &str, path: PathBuf| {
            let name = Box::leak(name.to_owned().into_boxed_str());
            Program { name, source: Source::File(path), user: User::Root }
        };
        let mut programs = vec![program(&format!("{}.toml", self.name), self.path.clone())];
        if let file::Download::Run(command) = &self.description.download {
            let path = in_path(&command.program).unwrap_or_else(|| command.program.clone().into());
            programs.push(program(&command.program, path));
        }
        programs
    }

    fn ends_by_itself(&self, role: Role) -> bool {
        self.node(role).start.is_none()
    }

    fn stop_signal(&self) -> Signal {
        match self.description.stop_signal {
            StopSignal::Term => Signal::TERM,
            StopSignal::Int => Signal::INT,
            StopSignal::Quit => Signal::QUIT,
            StopSignal::Kill => Signal::KILL,
        }
    }

    fn meeting(&self) -> Meeting {
        match self.description.contact {
            Some(_) => Meeting::FirstNode,
            None => Meeting::Nowhere,
        }
    }

    fn control_ports(&self) -> Vec<u16> {
        self.description.control_ports.clone()
    }

    fn peer_port(&self) -> u16 {
        self.description.peer_port
    }

    fn configure(&self, place: &Place) -> Result<Vec<OsString>> {
        let (node, values) = (self.node(place.role), self.values(place)?);
        for (name, text) in &node.files {
            let path = place.home.join(name);
            fs::write(&path, text.fill(&values)?).with_context(|| format!("write {}", path.display()))?;
        }
        let Some(start) = &node.start else {
            let go = place.home.join(GO);
            mknodat(CWD, &go, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                .with_context(|| format!("make the pipe {}", go.display()))?;
            // Of a shell that becomes another program the process stays.
            let waits = format!("echo $$ > {PID}; read -r _ < {GO}; . ./{SCRIPT}");
            return Ok(vec!["-c".into(), waits.into()]);
        };
        start.arguments.iter().map(|argument| Ok(argument.fill(&values)?.into())).collect()
    }

    fn control(&self, place: &Place) -> Box<dyn Control> {
        Box::new(Asked {
            description: self.description.clone(),
            waits: self.node(place.role).start.is_none(),
            place: place.clone(),
            values: self.values(place),
            is_offered: false,
        })
    }
}

struct Asked {
    description: Description,
    /// Whether the node became, or becomes, the program that downloads.
    waits: bool,
    place: Place,
    values: Result<Values>,
    is_offered: bool,
}

impl Asked {
    fn values(&self) -> Result<&Values> {
        self.values.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    fn is_ready(&self) -> Result<()> {
        let node = match self.place.role {
            Role::Leecher => &self.description.leecher,
            _ => &self.description.seeder,
        };
        match &node.ready {
            // A node that waits is ready for what it is asked.
            _ if self.waits => {
                ensure!(self.place.home.join(PID).exists(), "the node does not wait yet");
                Ok(())
            }
            None => Ok(()),
            Some(Ready::Asked(ready)) => ask(ready, self.values()?).map(drop),
            Some(Ready::Tcp(port)) => {
                let port: u16 = port.fill(self.values()?)?.parse().context("`ready.tcp` is no port")?;
                let at = |address: Ipv4Addr| SocketAddr::new(IpAddr::V4(address), port);
                let connect = |address| TcpStream::connect_timeout(&at(address), CONNECT_LIMIT);
                connect(self.place.address)
                    .or_else(|_| connect(Ipv4Addr::LOCALHOST))
                    .with_context(|| format!("nothing listens on port {port}"))?;
                Ok(())
            }
        }
    }

    /// Has the waiting node become the program that downloads.
    fn let_go(&self, words: &[String]) -> Result<()> {
        let script = self.place.home.join(SCRIPT);
        let quoted = words.iter().map(|word| format!(" '{}'", word.replace('\'', r"'\''")));
        fs::write(&script, format!("exec{}\n", quoted.collect::<String>()))
            .with_context(|| format!("write {}", script.display()))?;
        let started = Instant::now();
        loop {
            // Without waiting, which would be for good if the node has ended.
            let flags = OFlags::NONBLOCK.bits() as i32;
            match OpenOptions::new().write(true).custom_flags(flags).open(self.place.home.join(GO)) {
                Ok(mut go) => return go.write_all(b"\n").context("let the node go"),
                Err(error) if started.elapsed() > WAITS_LIMIT => {
                    return Err(error).context("the node does not wait");
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Whether the program that downloads has ended; its state is looked at by who started it.
    fn has_ended(&self) -> Result<bool> {
        let path = self.place.home.join(PID);
        let pid = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let pid = pid.trim().parse().with_context(|| format!("{} has no process id", path.display()))?;
        let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
        Ok(stat.map_or(true, |stat| stat.state == 'Z'))
    }

    fn received_bytes(&self) -> Result<u64> {
        size_of(&self.place.data.join(dataset::FILE_NAME))
    }

    fn progress(&self) -> Result<u64> {
        match &self.description.progress {
            None => Ok(0),
            Some(Progress::File(file)) => size_of(Path::new(&file.fill(self.values()?)?)),
            Some(Progress::Asked(progress)) => {
                let answer = ask(progress, self.values()?)?;
                answer
                    .parse()
                    .with_context(|| format!("the node's progress is no number of bytes: {answer:?}"))
            }
        }
    }
}

/// 0 if there is none yet.
fn size_of(file: &Path) -> Result<u64> {
    match File::open(file) {
        Ok(file) => Ok(file.metadata()?.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("look at {}", file.display())),
    }
}

impl Control for Asked {
    fn version(&mut self) -> Result<String> {
        self.is_ready()?;
        match &self.description.version {
            Some(version) => {
                let answer = ask(version, self.values()?)?;
                Ok(answer.lines().next().unwrap_or_default().to_owned())
            }
            None => Ok("of no told version".to_owned()),
        }
    }

    fn contact(&mut self) -> Result<String> {
        ask(self.description.contact.as_ref().context("`contact` is missing")?, self.values()?)
    }

    /// Joins the others, and is known by its address.
    fn identity(&mut self) -> Result<String> {
        if let Some(join) = &self.description.join {
            ask(join, self.values()?)?;
        }
        Ok(self.place.address.to_string())
    }

    /// By the success of its `join`.
    fn knows(&mut self, _identity: &str) -> Result<bool> {
        Ok(true)
    }

    fn offer(
        &mut self,
        _dataset: &Dataset,
        _tell: &mut dyn FnMut(Sample) -> Result<()>,
    ) -> Result<Option<String>> {
        ensure!(!self.is_offered, "the file was offered before");
        self.is_offered = true;
        match (&self.description.offer, &self.description.reference) {
            (Some(offer), _) => ask(offer, self.values()?).map(Some),
            (None, Some(reference)) => reference.fill(self.values()?).map(Some),
            (None, None) => Ok(Some(dataset::FILE_NAME.to_owned())),
        }
    }

    fn download(&mut self, reference: &str) -> Result<Download> {
        if let Ok(values) = &mut self.values {
            values.reference = Some(reference.to_owned());
        }
        match &self.description.download {
            file::Download::Run(command) => self.let_go(&ask::words(command, self.values()?)?)?,
            file::Download::Asked(download) => {
                ask(download, self.values()?)?;
            }
        }
        Ok(Download::Polled)
    }

    /// The whole file is there when the program that downloads it has ended, or the node says so.
    fn bytes_there(&mut self) -> Result<u64> {
        if !self.waits {
            return self.progress();
        }
        // In this order: it may end in between.
        let has_ended = self.has_ended()?;
        let whole = self.place.file_size_bytes;
        if !has_ended {
            return Ok(self.progress()?.min(whole.saturating_sub(1)));
        }
        let received = self.received_bytes()?;
        ensure!(received == whole, "the download ended with {received} of {whole} bytes");
        Ok(received)
    }
}
