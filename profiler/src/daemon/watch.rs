//! Finds the processes of the configuration's targets, and finds them again when they are restarted. Asks `/proc` and the
//! folders of control groups, and starts no program.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use capture::comm_text;

use super::{
    config::{Choice, Config},
    tally::Id,
};
use crate::collect::{
    recording::Recording,
    targets::{
        Targets,
        groups::{self, Group, Hierarchy},
        in_proc,
    },
};

/// How often `/proc` is looked through for executables, and control groups for units that do not run. What has a group that
/// was made again is found at each look.
const SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// Where processes are registered: the counters' table, or a recording.
pub trait Follow {
    fn is_followed(&self, pid: u32) -> bool;
    fn follow(&mut self, pid: u32) -> Result<()>;
    fn follow_command(&mut self, name: &str) -> Result<()>;
    fn follow_group(&mut self, group: &Group) -> Result<()>;
}

impl Follow for Targets {
    fn is_followed(&self, pid: u32) -> bool {
        self.serial(pid).is_some()
    }

    fn follow(&mut self, pid: u32) -> Result<()> {
        self.register(pid).map(drop)
    }

    fn follow_command(&mut self, name: &str) -> Result<()> {
        self.register_command(name).map(drop)
    }

    fn follow_group(&mut self, group: &Group) -> Result<()> {
        self.register_group(group).map(drop)
    }
}

impl Follow for Recording {
    fn is_followed(&self, pid: u32) -> bool {
        self.serial(pid).is_ok()
    }

    fn follow(&mut self, pid: u32) -> Result<()> {
        self.register(pid).map(drop)
    }

    fn follow_command(&mut self, name: &str) -> Result<()> {
        self.register_command(name).map(drop)
    }

    fn follow_group(&mut self, group: &Group) -> Result<()> {
        self.register_group(group).map(drop)
    }
}

pub struct Watch {
    choices: Vec<Choice>,
    hierarchies: Vec<Hierarchy>,
    /// By target, the groups that are followed.
    groups: BTreeMap<usize, Vec<Group>>,
    searched: Option<Instant>,
}

impl Watch {
    /// # Errors
    /// The mounts of control groups cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            choices: config.targets.iter().map(|target| target.choice()).collect::<Result<_>>()?,
            hierarchies: groups::mounted()?,
            groups: BTreeMap::new(),
            searched: None,
        })
    }

    /// Registers what has one chance only: names, which the probes wait for from then on, and processes.
    ///
    /// # Errors
    /// What could not be registered; the others are.
    pub fn begin(&mut self, targets: &mut impl Follow) -> Vec<anyhow::Error> {
        let mut errors = Vec::new();
        for choice in &self.choices {
            let registered = match choice {
                Choice::Command(name) => targets.follow_command(name),
                Choice::Pid(pid) => targets.follow(*pid),
                Choice::Executable(_) | Choice::Unit(_) | Choice::Group(_) => continue,
            };
            errors.extend(registered.err());
        }
        errors.extend(self.look(targets));
        errors
    }

    /// Waits no more for what is not wanted by `other`, which takes this one's place. Who was found stays followed.
    ///
    /// # Errors
    /// The probes' tables cannot be changed.
    pub fn end(self, targets: &mut Targets, other: &Self) -> Result<()> {
        for choice in self.choices.iter().filter(|choice| !other.choices.contains(choice)) {
            if let Choice::Command(name) = choice {
                targets.forget_command(name)?;
            }
        }
        // They are looked for again at once.
        self.groups.values().flatten().try_for_each(|group| targets.forget_group(group))
    }

    /// Finds what came since the last look.
    ///
    /// # Errors
    /// What could not be registered; the others are.
    pub fn look(&mut self, targets: &mut impl Follow) -> Vec<anyhow::Error> {
        let mut errors = Vec::new();
        let is_due = self.searched.is_none_or(|last| last.elapsed() >= SEARCH_INTERVAL);
        if is_due {
            self.searched = Some(Instant::now());
            errors.extend(self.search_groups().err());
            errors.extend(self.search_executables(targets));
        }
        for group in self.groups.values().flatten() {
            // A unit that is restarted gets a new group of the same name.
            errors.extend(targets.follow_group(group).err());
        }
        errors
    }

    /// Looks for groups that are not known. One that is gone is looked for again: a unit may come back in another slice.
    fn search_groups(&mut self) -> Result<()> {
        for (target, choice) in self.choices.iter().enumerate() {
            if self.groups.get(&target).is_some_and(|known| known.iter().any(|group| group.folder.is_dir())) {
                continue;
            }
            let found = match choice {
                Choice::Unit(name) => groups::find_unit(name, &self.hierarchies)?,
                // Not there yet, or gone.
                Choice::Group(path) => groups::named(path, &self.hierarchies).unwrap_or_default(),
                _ => continue,
            };
            if !found.is_empty() {
                self.groups.insert(target, found);
            }
        }
        Ok(())
    }

    fn search_executables(&mut self, targets: &mut impl Follow) -> Vec<anyhow::Error> {
        let mut errors = Vec::new();
        let wanted: HashSet<&Path> = self.choices.iter().filter_map(executable).collect();
        if wanted.is_empty() {
            return errors;
        }
        let listed = match pids() {
            Ok(listed) => listed,
            Err(error) => return vec![error],
        };
        for pid in listed {
            if !targets.is_followed(pid)
                && pid != std::process::id()
                && in_proc::executable(pid).is_some_and(|path| wanted.contains(path.as_path()))
            {
                // Gone in the meantime, as a rule.
                let registered = targets.follow(pid);
                errors.extend(registered.err().filter(|_| Path::new(&format!("/proc/{pid}")).exists()));
            }
        }
        errors
    }

    /// The target of a process: by its id, its group, its executable, its name, or else its parent's. The first one of
    /// the configuration that fits.
    pub fn target_of(
        &self,
        id: &Id,
        members: &Members,
        of_pid: &dyn Fn(u32) -> Option<usize>,
    ) -> Option<usize> {
        let path = in_proc::executable(id.pid);
        let fits = |(target, choice): (usize, &Choice)| match choice {
            Choice::Pid(pid) => *pid == id.pid,
            Choice::Unit(_) | Choice::Group(_) => members.0.get(&id.pid) == Some(&target),
            Choice::Executable(wanted) => path.as_ref() == Some(wanted),
            Choice::Command(name) => comm_text(&in_proc::comm_bytes(name.as_bytes())) == id.comm,
        };
        let fitting = self.choices.iter().enumerate().filter(|one| fits(*one)).map(|(target, _)| target);
        fitting.min().or_else(|| of_pid(id.parent_pid))
    }

    /// Who is in the groups now.
    pub fn members(&self) -> Members {
        let mut members = HashMap::new();
        for (target, groups) in &self.groups {
            for pid in groups.iter().flat_map(|group| group.members().unwrap_or_default()) {
                members.entry(pid).or_insert(*target);
            }
        }
        Members(members)
    }
}

/// The first target by each process of control groups.
pub struct Members(HashMap<u32, usize>);

impl Choice {
    pub fn in_words(&self) -> String {
        match self {
            Self::Command(name) => format!("command {name}"),
            Self::Executable(path) => format!("executable {}", path.display()),
            Self::Unit(name) => format!("unit {name}"),
            Self::Group(path) => format!("control group {}", path.display()),
            Self::Pid(pid) => format!("pid {pid}"),
        }
    }
}

fn executable(choice: &Choice) -> Option<&Path> {
    match choice {
        Choice::Executable(path) => Some(path),
        _ => None,
    }
}

fn pids() -> Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("list /proc")?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}
