//! A description as it is written: TOML, every key with its meaning below.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use super::template::{Template, place};
use crate::values;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, try_from = "Typed")]
pub struct Description {
    pub name: String,
    pub help: Option<String>,
    pub peer_port: u16,
    pub control_ports: Vec<u16>,
    pub seeder: Node,
    pub leecher: Node,
    pub version: Option<Ask<{ place::NODE }, { place::URL }>>,
    pub contact: Option<Ask<{ place::NODE }, { place::URL }>>,
    pub join: Option<Ask<{ place::JOINED }, { place::URL }>>,
    pub offer: Option<Ask<{ place::NODE }, { place::URL }>>,
    pub reference: Option<Template<{ place::NODE }>>,
    pub download: Download,
    pub progress: Option<Progress>,
    pub stop_signal: StopSignal,
    pub pace: Pace,
}

/// How nodes of a role are started.
#[derive(Clone, Debug)]
pub struct Node {
    /// Without it, a leecher's node is what downloads.
    pub start: Option<Command<{ place::NODE }>>,
    pub files: BTreeMap<String, Template<{ place::NODE }>>,
    pub ready: Option<Ready>,
}

/// What stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    /// What results call the system: lower-case letters, digits and hyphens.
    name: Name,
    /// A line about it.
    help: Option<String>,
    /// Where nodes talk to each other.
    peer_port: u16,
    /// Where nodes are controlled and find each other: no payload.
    #[serde(default)]
    control_ports: Vec<u16>,
    /// Every node; what stands below a role takes its place.
    #[serde(default)]
    node: TypedNode,
    #[serde(default)]
    seeder: TypedNode,
    #[serde(default)]
    leecher: TypedNode,
    /// Answers what the program says of itself; the first line counts.
    version: Option<Ask<{ place::NODE }, { place::URL }>>,
    /// Asked of the first node: by what the others find it.
    contact: Option<Ask<{ place::NODE }, { place::URL }>>,
    /// Done on every other node once it is ready.
    join: Option<Ask<{ place::JOINED }, { place::URL }>>,
    /// Gives a seeder the file, which is in its `{data}`; answers by what others ask for it. Without it, it is served from
    /// there.
    offer: Option<Ask<{ place::NODE }, { place::URL }>>,
    /// By what others ask for the file, if that is known beforehand.
    reference: Option<Template<{ place::NODE }>>,
    /// Asks a leecher for the file.
    download: Download,
    /// How far a leecher is. Without it, only its end is known.
    progress: Option<Progress>,
    #[serde(default)]
    stop_signal: StopSignal,
    #[serde(default)]
    pace: Pace,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedNode {
    start: Option<Command<{ place::NODE }>>,
    /// In `{home}`, by name.
    files: Option<BTreeMap<FileName, Template<{ place::NODE }>>>,
    /// Without it, a node is ready when its program runs.
    ready: Option<Ready>,
}

/// A program and its arguments. Nothing is interpreted by a shell.
#[derive(Deserialize, Clone, Debug)]
#[serde(try_from = "Vec<Template<PLACE>>")]
pub struct Command<const PLACE: u8> {
    /// In PATH, or an absolute path.
    pub program: String,
    pub arguments: Vec<Template<PLACE>>,
}

/// Something that is asked: by a command, which answers on its standard output, or over HTTP.
#[derive(Deserialize, Clone, Debug)]
#[serde(try_from = "TypedAsk<PLACE, URL>")]
pub struct Ask<const PLACE: u8, const URL: u8> {
    pub way: Way<PLACE, URL>,
    /// Where in a JSON answer the value is (RFC 6901); without it, the whole answer is.
    pub pointer: Option<String>,
    /// For the answer.
    pub limit: Duration,
}

#[derive(Clone, Debug)]
pub enum Way<const PLACE: u8, const URL: u8> {
    Command(Command<PLACE>),
    Http { url: Template<URL>, body: Option<Template<PLACE>> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAsk<const PLACE: u8, const URL: u8> {
    command: Option<Command<PLACE>>,
    http: Option<Template<URL>>,
    /// Makes it a POST, with this as its body.
    post: Option<Template<PLACE>>,
    pointer: Option<String>,
    #[serde(default = "ten_seconds", deserialize_with = "values::time_in_file")]
    limit: Duration,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(try_from = "TypedReady")]
pub enum Ready {
    /// Something listens there, at the node's own address or on loopback.
    Tcp(Template<{ place::PORT }>),
    Asked(Ask<{ place::NODE }, { place::URL }>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedReady {
    tcp: Option<Template<{ place::PORT }>>,
    command: Option<Command<{ place::NODE }>>,
    http: Option<Template<{ place::URL }>>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(try_from = "TypedDownload")]
pub enum Download {
    /// The leecher's node becomes this program, which ends when it has the file.
    Run(Command<{ place::DOWNLOAD }>),
    /// The node is told, and goes on by itself.
    Asked(Ask<{ place::DOWNLOAD }, { place::DOWNLOAD_URL }>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedDownload {
    run: Option<Command<{ place::DOWNLOAD }>>,
    command: Option<Command<{ place::DOWNLOAD }>>,
    http: Option<Template<{ place::DOWNLOAD_URL }>>,
    post: Option<Template<{ place::DOWNLOAD }>>,
    #[serde(default = "ten_seconds", deserialize_with = "values::time_in_file")]
    limit: Duration,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(try_from = "TypedProgress")]
pub enum Progress {
    /// A file that grows from its beginning on.
    File(Template<{ place::PATH }>),
    /// Bytes.
    Asked(Ask<{ place::DOWNLOAD }, { place::DOWNLOAD_URL }>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedProgress {
    file: Option<Template<{ place::PATH }>>,
    command: Option<Command<{ place::DOWNLOAD }>>,
    http: Option<Template<{ place::DOWNLOAD_URL }>>,
    pointer: Option<String>,
}

/// What asks a node to end in order.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSignal {
    #[default]
    #[serde(rename = "SIGTERM")]
    Term,
    #[serde(rename = "SIGINT")]
    Int,
    #[serde(rename = "SIGQUIT")]
    Quit,
    #[serde(rename = "SIGKILL")]
    Kill,
}

/// What plans go by. Without calibration they are guesses.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    pub until_first_byte_s: f64,
    pub leecher_bytes_per_s: f64,
    /// CPU of all nodes for each byte that a leecher receives.
    pub cpu_s_per_byte: f64,
    pub node_memory_bytes: u64,
    pub node_start_s: f64,
}

/// The description in a file. Errors name the file, the line and the key.
pub fn read(path: &Path) -> Result<Description> {
    let text = fs::read_to_string(path).with_context(|| format!("read the system {}", path.display()))?;
    parse(&text, &path.display().to_string())
}

/// The description in a text. `name` is what errors call it.
pub fn parse(text: &str, name: &str) -> Result<Description> {
    let wrong = |error: &toml::de::Error, key: &str| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"));
        match key {
            "." | "" => anyhow!("{place}: {}", error.message()),
            key => anyhow!("{place}: {key}: {}", error.message()),
        }
    };
    let document = toml::Deserializer::parse(text).map_err(|error| wrong(&error, ""))?;
    serde_path_to_error::deserialize(document)
        .map_err(|error| wrong(error.inner(), &error.path().to_string()))
}

impl TryFrom<Typed> for Description {
    type Error = String;

    fn try_from(typed: Typed) -> Result<Self, String> {
        let Typed { node, seeder, leecher, download, progress, .. } = typed;
        let (seeder, leecher) = (seeder.over(&node), leecher.over(&node));
        if seeder.start.is_none() {
            return Err(
                "a seeder has nothing to start: `start` is missing below [node] or [seeder]".to_owned()
            );
        }
        match (&download, &leecher.start) {
            (Download::Run(_), Some(_)) => {
                return Err(
                    "a leecher either has `start`, or becomes the program of `download.run`".to_owned()
                );
            }
            (Download::Asked(_), None) => {
                return Err(
                    "a leecher has nothing to start: `start` is missing below [node] or [leecher]".to_owned()
                );
            }
            _ => {}
        }
        if matches!(download, Download::Asked(_)) && progress.is_none() {
            return Err(
                "`progress` is missing: what is only told to download does not say when it has it".to_owned()
            );
        }
        if typed.offer.is_some() && typed.reference.is_some() {
            return Err("`offer` answers with the reference: `reference` is for systems without".to_owned());
        }
        if typed.join.is_some() && typed.contact.is_none() {
            return Err("`join` needs `contact`, by which the first node is found".to_owned());
        }
        Ok(Self {
            name: typed.name.0,
            help: typed.help,
            peer_port: typed.peer_port,
            control_ports: typed.control_ports,
            seeder,
            leecher,
            version: typed.version,
            contact: typed.contact,
            join: typed.join,
            offer: typed.offer,
            reference: typed.reference,
            download,
            progress,
            stop_signal: typed.stop_signal,
            pace: typed.pace,
        })
    }
}

impl TypedNode {
    fn over(self, every: &Self) -> Node {
        let files = self.files.as_ref().or(every.files.as_ref());
        Node {
            start: self.start.or_else(|| every.start.clone()),
            files: files.into_iter().flatten().map(|(name, text)| (name.0.clone(), text.clone())).collect(),
            ready: self.ready.or_else(|| every.ready.clone()),
        }
    }
}

impl<const PLACE: u8> TryFrom<Vec<Template<PLACE>>> for Command<PLACE> {
    type Error = String;

    fn try_from(mut words: Vec<Template<PLACE>>) -> Result<Self, String> {
        if words.is_empty() {
            return Err("a command has at least its program".to_owned());
        }
        match words.remove(0).plain() {
            Some(program) => Ok(Self { program: program.to_owned(), arguments: words }),
            None => {
                Err("a command's program is no placeholder: a name in PATH, or an absolute path".to_owned())
            }
        }
    }
}

impl<const PLACE: u8, const URL: u8> TryFrom<TypedAsk<PLACE, URL>> for Ask<PLACE, URL> {
    type Error = String;

    fn try_from(typed: TypedAsk<PLACE, URL>) -> Result<Self, String> {
        let TypedAsk { command, http, post, pointer, limit } = typed;
        if pointer.as_ref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            return Err("a JSON pointer begins with /".to_owned());
        }
        let way = match (command, http, post) {
            (Some(command), None, None) => Way::Command(command),
            (None, Some(url), body) => Way::Http { url, body },
            (_, None, Some(_)) => return Err("`post` needs `http`".to_owned()),
            _ => return Err("needs `command` or `http`, and not both".to_owned()),
        };
        Ok(Self { way, pointer, limit })
    }
}

impl TryFrom<TypedReady> for Ready {
    type Error = String;

    fn try_from(typed: TypedReady) -> Result<Self, String> {
        match typed {
            TypedReady { tcp: Some(port), command: None, http: None } => Ok(Self::Tcp(port)),
            TypedReady { tcp: None, command, http } => {
                let (post, pointer, limit) = (None, None, ten_seconds());
                TypedAsk { command, http, post, pointer, limit }.try_into().map(Self::Asked)
            }
            _ => Err("needs one of `tcp`, `command` and `http`".to_owned()),
        }
    }
}

impl TryFrom<TypedDownload> for Download {
    type Error = String;

    fn try_from(typed: TypedDownload) -> Result<Self, String> {
        match typed {
            TypedDownload { run: Some(run), command: None, http: None, post: None, .. } => Ok(Self::Run(run)),
            TypedDownload { run: None, command, http, post, limit } => {
                TypedAsk { command, http, post, pointer: None, limit }.try_into().map(Self::Asked)
            }
            _ => Err("needs one of `run`, `command` and `http`".to_owned()),
        }
    }
}

impl TryFrom<TypedProgress> for Progress {
    type Error = String;

    fn try_from(typed: TypedProgress) -> Result<Self, String> {
        match typed {
            TypedProgress { file: Some(file), command: None, http: None, pointer: None } => {
                Ok(Self::File(file))
            }
            TypedProgress { file: None, command, http, pointer } => {
                let (post, limit) = (None, ten_seconds());
                TypedAsk { command, http, post, pointer, limit }.try_into().map(Self::Asked)
            }
            _ => Err("needs one of `file`, `command` and `http`".to_owned()),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        let pace = super::super::Pace::UNKNOWN;
        Self {
            until_first_byte_s: pace.until_first_byte_s,
            leecher_bytes_per_s: pace.leecher_bytes_per_s,
            cpu_s_per_byte: pace.cpu_s_per_byte,
            node_memory_bytes: pace.node_memory_bytes,
            node_start_s: pace.node_start_s,
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            return Err(format!("`{name}` is no name of a system: lower-case letters, digits and hyphens"));
        }
        match super::super::SYSTEMS.iter().any(|system| system.name() == name) {
            true => Err(format!("`{name}` is a system that the profiler knows by itself: take another name")),
            false => Ok(Self(name)),
        }
    }
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct FileName(String);

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.is_empty() || name.contains('/') || name.starts_with('.') || TAKEN.contains(&name.as_str())
        {
            true => Err(format!("`{name}` is no name of a file in {{home}} that a node may have")),
            false => Ok(Self(name)),
        }
    }
}

/// What the benchmark itself has in a node's home.
const TAKEN: [&str; 5] = ["data", "log", super::GO, super::SCRIPT, super::PID];

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}
