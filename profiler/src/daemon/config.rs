//! The collector's configuration: what it watches, where it keeps things, and who may ask it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use abi::{groups::GROUPS, target::CONTROL_PORTS};
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::log::LogFormat;

/// Where the collector is asked unless somebody says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/profiler/collector.sock";

/// What is watched that no target's choice fits, as a label.
pub const UNASSIGNED: &str = "unassigned";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A folder of the collector's own, the only one that it may write to.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// Users that may ask besides root and the collector's own: names or numbers.
    #[serde(default)]
    pub clients: Vec<User>,
    #[serde(default)]
    pub log: LogFormat,
    #[serde(default)]
    pub recordings: Recordings,
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
}

/// A name of `/etc/passwd`, or a number.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged, expecting = "a user is a name or a number")]
pub enum User {
    Id(u32),
    Name(String),
}

/// What recordings on demand may take at most.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Recordings {
    /// Whether there can be any: their probes take memory of the kernel, loaded or not.
    pub allowed: bool,
    pub longest_seconds: u64,
    /// Of one capture, before it is packed.
    pub largest_bytes: u64,
    /// Of all captures in the state folder.
    pub kept_bytes: u64,
}

impl Default for Recordings {
    fn default() -> Self {
        Self { allowed: true, longest_seconds: 600, largest_bytes: 1 << 30, kept_bytes: 4 << 30 }
    }
}

impl Recordings {
    /// What is wanted, as far as it is allowed.
    pub fn seconds(&self, wanted: Option<u64>) -> u64 {
        wanted.unwrap_or(u64::MAX).min(self.longest_seconds)
    }

    /// Likewise.
    pub fn bytes(&self, wanted: Option<u64>) -> u64 {
        wanted.unwrap_or(u64::MAX).min(self.largest_bytes)
    }
}

/// Processes that are watched as one, and the labels that they bear.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub name: String,
    #[serde(default)]
    pub system: String,
    #[serde(default)]
    pub role: String,
    pub command: Option<String>,
    pub executable: Option<PathBuf>,
    pub unit: Option<String>,
    pub cgroup: Option<PathBuf>,
    pub pid: Option<u32>,
    /// Ports of control traffic, of any target: the probes know one list.
    #[serde(default)]
    pub control_ports: Vec<u16>,
}

/// How a target's processes are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Command(String),
    Executable(PathBuf),
    Unit(String),
    Group(PathBuf),
    Pid(u32),
}

/// Reads and checks a file.
///
/// # Errors
/// Names the file, the place in it, and what is wrong there.
pub fn read(path: &PathBuf) -> Result<Config> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| format!("the configuration {}", path.display()))
}

fn parse(text: &str) -> Result<Config> {
    let config: Config = toml::from_str(text)?;
    for (what, path) in [("state", &config.state), ("socket", &config.socket)] {
        ensure!(path.is_absolute(), "{what} = {path:?} is no absolute path");
    }
    ensure!(!config.targets.is_empty(), "no [[target]]: nothing would be watched");
    let mut names = BTreeSet::new();
    for target in &config.targets {
        check_label("name", &target.name)?;
        ensure!(!target.name.is_empty(), "a [[target]] needs a name");
        ensure!(target.name != UNASSIGNED, "the name {UNASSIGNED} stands for what fits no target");
        ensure!(names.insert(&target.name), "two targets have the name {:?}", target.name);
        let named = || format!("target {:?}", target.name);
        check_label("system", &target.system).with_context(named)?;
        check_label("role", &target.role).with_context(named)?;
        target.choice().with_context(named)?;
    }
    let ports = config.control_ports().len();
    ensure!(ports <= CONTROL_PORTS, "{ports} control ports in all; the probes know {CONTROL_PORTS}");
    let groups = |target: &&Target| target.unit.is_some() || target.cgroup.is_some();
    let groups = config.targets.iter().filter(groups).count();
    ensure!(groups <= GROUPS as usize, "{groups} units and control groups; the probes know {GROUPS}");
    Ok(config)
}

impl Config {
    /// Of its targets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| target.name.as_str())
    }

    /// What differs in another one beside the targets: it was decided on as the collector began.
    pub fn fixed_otherwise(&self, other: &Self) -> Vec<&'static str> {
        let differ = [
            ("state", self.state != other.state),
            ("socket", self.socket != other.socket),
            ("clients", self.clients != other.clients),
            ("log", self.log != other.log),
            ("recordings", self.recordings != other.recordings),
            // The probes know them since they were loaded.
            ("control_ports", self.control_ports() != other.control_ports()),
        ];
        differ.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
    }

    /// Where each target of another one is in this one, by its name.
    pub fn places_of(&self, other: &Self) -> Vec<Option<usize>> {
        let place = |name: &str| self.targets.iter().position(|target| target.name == name);
        other.targets.iter().map(|target| place(&target.name)).collect()
    }

    /// Of all targets, each once.
    pub fn control_ports(&self) -> Vec<u16> {
        let ports: BTreeSet<u16> =
            self.targets.iter().flat_map(|target| target.control_ports.clone()).collect();
        ports.into_iter().collect()
    }

    /// The ids of the users that may ask, besides root and this process's own.
    ///
    /// # Errors
    /// A name that the host does not know.
    pub fn client_ids(&self) -> Result<Vec<u32>> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        self.clients.iter().map(|user| id_of(user, &passwd)).collect()
    }
}

impl Target {
    /// # Errors
    /// None was given, or more than one, or one that fits nothing.
    pub fn choice(&self) -> Result<Choice> {
        let choices = [
            self.command.clone().map(Choice::Command),
            self.executable.clone().map(Choice::Executable),
            self.unit.clone().map(Choice::Unit),
            self.cgroup.clone().map(Choice::Group),
            self.pid.map(Choice::Pid),
        ];
        let mut given = choices.into_iter().flatten();
        let (Some(choice), None) = (given.next(), given.next()) else {
            bail!("give one of command, executable, unit, cgroup, pid");
        };
        match &choice {
            Choice::Command(name) | Choice::Unit(name) => {
                ensure!(!name.is_empty(), "an empty name fits nothing")
            }
            Choice::Executable(path) => {
                ensure!(path.is_absolute(), "executable = {path:?} is no absolute path")
            }
            Choice::Group(path) => ensure!(path.has_root(), "cgroup = {path:?} does not begin with /"),
            Choice::Pid(pid) => ensure!(*pid > 1, "there is no process {pid} that could be watched"),
        }
        Ok(choice)
    }
}

/// Labels are bounded, and readable in a query.
fn check_label(what: &str, text: &str) -> Result<()> {
    const LONGEST: usize = 64;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    ensure!(
        text.len() <= LONGEST && text.chars().all(is_plain),
        "{what} = {text:?}: up to {LONGEST} letters, digits and any of - _ . @"
    );
    Ok(())
}

fn id_of(user: &User, passwd: &str) -> Result<u32> {
    let name = match user {
        User::Id(id) => return Ok(*id),
        User::Name(name) => name,
    };
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name));
    let id = line.and_then(|line| line.split(':').nth(2)?.parse().ok());
    id.with_context(|| format!("clients names the user {name:?}, whom /etc/passwd does not know"))
}

fn default_state() -> PathBuf {
    "/var/lib/profiler".into()
}

fn default_socket() -> PathBuf {
    DEFAULT_SOCKET.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "[[target]]\nname = 'a'\ncommand = 'x'\n";

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let message = format!("{:#}", parse(text).expect_err(text));
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }

    #[test]
    fn what_is_given_is_what_is_meant() {
        let config = parse(
            "state = '/var/lib/p'\nclients = ['gateway', 7]\nlog = 'json'\n\
             [[target]]\nname = 'seeder'\nsystem = 'codex'\nrole = 'storage'\nunit = 'codex'\ncontrol_ports = [8080, 8070]\n\
             [[target]]\nname = 'b'\nexecutable = '/usr/bin/b'\ncontrol_ports = [8080]\n",
        )
        .unwrap();
        assert_eq!(config.control_ports(), [8070, 8080]);
        assert_eq!(config.targets[0].choice().unwrap(), Choice::Unit("codex".to_owned()));
        assert_eq!(config.targets[1].choice().unwrap(), Choice::Executable("/usr/bin/b".into()));
        assert_eq!(config.socket, PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(config.clients, [User::Name("gateway".to_owned()), User::Id(7)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        refused("", "no [[target]]");
        refused("states = '/x'", "states");
        refused("state = 'x'\n[[target]]\nname = 'a'\ncommand = 'x'", "absolute");
        refused("[[target]]\nname = 'a'", "give one of command");
        refused("[[target]]\nname = 'a'\ncommand = 'x'\npid = 7", "give one of command");
        refused("[[target]]\nname = 'a'\ncommand = ''", "empty name");
        refused("[[target]]\nname = 'a'\nexecutable = 'x'", "target \"a\"");
        refused("[[target]]\nname = 'a'\npid = 0", "no process 0");
        refused("[[target]]\nname = 'a b'\ncommand = 'x'", "letters");
        refused("[[target]]\nname = 'unassigned'\ncommand = 'x'", "stands for");
        refused(&[TARGET, TARGET].concat(), "two targets");
        refused(&format!("{TARGET}ports = [1]"), "ports");
        refused(&format!("{TARGET}control_ports = [70000]"), "control_ports");
        let ports: Vec<u16> = (1..=33).collect();
        refused(&format!("{TARGET}control_ports = {ports:?}"), "33 control ports");
    }

    #[test]
    fn targets_are_the_same_by_name_and_what_else_differs_is_told() {
        let of = |names: &[&str], more: &str| {
            let targets =
                names.iter().map(|name| format!("[[target]]\nname = '{name}'\ncommand = 'x'\n{more}"));
            parse(&targets.collect::<String>()).unwrap()
        };
        let (old, new) = (of(&["a", "b", "c"], ""), of(&["c", "d", "a"], "control_ports = [80]\n"));
        assert_eq!(new.places_of(&old), [Some(2), None, Some(0)]);
        assert_eq!(new.fixed_otherwise(&old), ["control_ports"]);
        assert_eq!(old.fixed_otherwise(&old), [""; 0]);
    }

    #[test]
    fn users_are_found_by_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nprofiler-gateway:x:991:990::/:/bin/false\n";
        assert_eq!(id_of(&User::Name("profiler-gateway".to_owned()), passwd).unwrap(), 991);
        assert_eq!(id_of(&User::Id(5), passwd).unwrap(), 5);
        let error = id_of(&User::Name("profiler".to_owned()), passwd).unwrap_err();
        assert!(error.to_string().contains("profiler"), "{error}");
    }
}
