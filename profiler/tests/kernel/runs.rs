//! The runs of a test's own benchmarks, told from those of others on this host by their scratch directory, which is the
//! test's own: what they made, who works for them, and what is left of them.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use procfs::process::Process;
use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

/// How the name of a run begins. Its folder has the name, and its namespaces and control groups begin with it.
const NAMES_BEGIN: &str = "xferprof-";
/// A file for each run that lives or was killed, with its folder's path in it.
const RECORDS: &str = "/run/xferprof";
/// Where names of namespaces and control groups are.
const NAMED_IN: [&str; 3] = ["/run/netns", "/sys/fs/cgroup/blkio", "/sys/fs/cgroup"];

pub struct Runs {
    pub scratch: PathBuf,
    /// Tells of each folder that is made in the scratch directory, also of those that are gone.
    watch: OwnedFd,
    names: RefCell<BTreeSet<String>>,
}

impl Runs {
    /// Those that begin from now on with this scratch directory, which no other benchmark has.
    pub fn in_scratch(scratch: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, scratch, WatchFlags::CREATE).unwrap();
        Self { scratch: scratch.canonicalize().unwrap(), watch, names: RefCell::default() }
    }

    /// Every program that works for them: its home is in the scratch directory.
    pub fn processes(&self) -> impl Iterator<Item = Process> {
        let works_for_them = |process: &Process| {
            let environment = process.environ().unwrap_or_default();
            environment.get(OsStr::new("HOME")).is_some_and(|home| Path::new(home).starts_with(&self.scratch))
        };
        procfs::process::all_processes().unwrap().flatten().filter(works_for_them)
    }

    #[track_caller]
    pub fn check_none_began(&self) {
        assert_eq!(*self.names(), BTreeSet::new());
        assert_eq!(self.left(), BTreeSet::new());
    }

    #[track_caller]
    pub fn check_nothing_is_left(&self) {
        assert!(!self.names().is_empty(), "no run began");
        assert_eq!(self.left(), BTreeSet::new());
    }

    /// The name of each run that began.
    fn names(&self) -> std::cell::Ref<'_, BTreeSet<String>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut made = Reader::new(&self.watch, &mut buffer);
        loop {
            match made.next() {
                Ok(event) => {
                    assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW), "folders were not told of");
                    let name = event.file_name().unwrap_or_default().to_string_lossy();
                    if name.starts_with(NAMES_BEGIN) {
                        self.names.borrow_mut().insert(name.into_owned());
                    }
                }
                // There are no more.
                Err(Errno::AGAIN) => return self.names.borrow(),
                Err(error) => panic!("what was made in {} is not known: {error}", self.scratch.display()),
            }
        }
    }

    /// Folders, namespaces, control groups, records and processes.
    fn left(&self) -> BTreeSet<String> {
        let names = self.names();
        let is_theirs = |path: &PathBuf| names.iter().any(|name| file_name(path).starts_with(name));
        let named = NAMED_IN.into_iter().flat_map(|place| entries(Path::new(place))).filter(is_theirs);
        let folders = entries(&self.scratch).filter(|path| file_name(path).starts_with(NAMES_BEGIN));
        let is_of_a_run = |record: &PathBuf| {
            let folder = fs::read_to_string(record).unwrap_or_default();
            Path::new(&folder).starts_with(&self.scratch)
        };
        let records = entries(Path::new(RECORDS)).filter(is_of_a_run);
        let paths = named.chain(folders).chain(records).map(|path| path.display().to_string());
        let processes = self.processes().map(|process| format!("process {}", process.pid));
        paths.chain(processes).collect()
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
