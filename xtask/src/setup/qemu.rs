//! qemu for the virtual machines: the one on the PATH, or else Debian's packages, unpacked in the clone.
//!
//! Nothing else starts it, so it is never installed: that needs root, and conflicts with a `qemu-utils` of another
//! version (from backports), which would have to go.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{distribution, forget::forget, packages, tell::Tell};
use crate::command;

const NAME: &str = "qemu-system-x86_64";
/// The first brings the rest, but not what the machine has: and qemu looks for its modules and its firmware beside
/// itself only, wherever it lies.
const PACKAGES: [&str; 4] = ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"];
const BY_HAND: &str = "put qemu-system-x86_64 on the PATH";
/// Where the packages have the libraries that the machine has not.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

pub struct Qemu {
    program: PathBuf,
    /// `LD_LIBRARY_PATH`, where the packages are not installed.
    libraries: Option<OsString>,
}

impl Qemu {
    /// Starts it, without arguments so far; the kernel ends it with this program, however this program ends.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    fn below(tree: &Path) -> Result<Self> {
        let libraries = env::join_paths(LIBRARIES.map(|folder| tree.join(folder)))
            .with_context(|| format!("name {} to the dynamic linker", tree.display()))?;
        Ok(Self { program: tree.join("usr/bin").join(NAME), libraries: Some(libraries) })
    }

    /// It does not where a library is gone that the machine had when the packages were chosen.
    fn runs(&self) -> bool {
        command::ask(self.command().arg("--version")).is_some()
    }
}

/// Finds qemu, or unpacks it below `tools`; the error says what to do where that is not possible.
pub fn find(tools: &Path, tell: Tell) -> Result<Qemu> {
    if let Some(program) = command::find_for_root(NAME) {
        tell.found(NAME, program.display());
        return Ok(Qemu { program, libraries: None });
    }
    let tree = tools.join("qemu");
    let qemu = Qemu::below(&tree)?;
    if qemu.runs() {
        tell.found(NAME, qemu.program.display());
        return Ok(qemu);
    }
    let distribution = distribution::of_this_machine();
    if !distribution.is_debian {
        bail!(
            "missing: {NAME}; setup does not know the packages of `{}`, so by hand: {BY_HAND}",
            distribution.id
        );
    }
    tell.installing(NAME, format_args!("package {}, in the clone only", PACKAGES[0]));
    // What was interrupted stays in this folder, and is done again.
    let work = tools.join("qemu.new");
    forget(&work)?;
    download(&work.join("packages"))?;
    let unpacked = unpack(&work)?;
    command::run(Qemu::below(&unpacked)?.command().arg("--version"))
        .with_context(|| format!("what was unpacked does not run: {BY_HAND}"))?;
    replace(&tree, &unpacked, &work.join("old"))?;
    forget(&work)?;
    tell.installed(NAME, qemu.program.display());
    Ok(qemu)
}

fn download(archives: &Path) -> Result<()> {
    fs::create_dir_all(archives).with_context(|| format!("make {}", archives.display()))?;
    if command::is_root() {
        packages::update();
    }
    command::run(&mut download_command(archives)).with_context(|| {
        format!("{NAME} cannot be downloaded: where `apt-get update` as root does not help, {BY_HAND}")
    })
}

/// It may plan to remove packages, which conflict where it would install: but it only downloads.
fn download_command(archives: &Path) -> Command {
    let mut apt_get = packages::apt_get();
    apt_get
        .args(["install", "--download-only", "--reinstall", "--no-install-recommends"])
        // The lock is root's, and for what is installed.
        .arg("-oDebug::NoLocking=true")
        .arg(format!("-oDir::Cache::archives={}", archives.display()))
        .args(PACKAGES);
    apt_get
}

/// Unpacks all of `work/packages`; gives where.
fn unpack(work: &Path) -> Result<PathBuf> {
    let tree = work.join("tree");
    for package in packages_in(&work.join("packages"))? {
        packages::unpack(&package, &tree)?;
    }
    Ok(tree)
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(files.into_iter().filter(|file| file.extension().is_some_and(|it| it == "deb")).collect())
}

/// Puts the folder `new` at `at`. What was there goes to `old` in one step: half removed, it could still run.
fn replace(at: &Path, new: &Path, old: &Path) -> Result<()> {
    if at.exists() {
        fs::rename(at, old).with_context(|| format!("move {} to {}", at.display(), old.display()))?;
    }
    fs::rename(new, at).with_context(|| format!("move {} to {}", new.display(), at.display()))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn qemu_starts_with_the_libraries_beside_it() {
        let qemu = Qemu::below(Path::new("/clone/.tools/qemu")).expect("a path");
        let expected = "LD_LIBRARY_PATH=/clone/.tools/qemu/usr/lib/x86_64-linux-gnu:\
                        /clone/.tools/qemu/lib/x86_64-linux-gnu \
                        setpriv --pdeathsig KILL /clone/.tools/qemu/usr/bin/qemu-system-x86_64";
        assert_eq!(command::line(&qemu.command()), expected);
        let qemu = Qemu { program: "/usr/bin/qemu-system-x86_64".into(), libraries: None };
        assert_eq!(command::line(&qemu.command()), "setpriv --pdeathsig KILL /usr/bin/qemu-system-x86_64");
    }

    #[test]
    fn qemu_is_downloaded_and_not_installed() {
        let line = command::line(&download_command(Path::new("/clone/packages")));
        assert!(line.contains(" --download-only "), "{line}");
        assert!(line.contains(" -oDir::Cache::archives=/clone/packages "), "{line}");
        // With it apt-get refuses what it would only plan.
        assert!(!line.contains("--no-remove"), "{line}");
    }

    #[test]
    fn only_packages_are_unpacked() {
        let folder = scratch("packages");
        for name in ["seabios_1.16.2-1_all.deb", "lock", "partial"] {
            fs::write(folder.join(name), "").expect("a file");
        }
        assert_eq!(packages_in(&folder).expect("a list"), [folder.join("seabios_1.16.2-1_all.deb")]);
        fs::remove_dir_all(&folder).expect("remove the folder");
    }

    #[test]
    fn a_tree_is_replaced_as_a_whole() {
        let folder = scratch("tree");
        let [at, new, old] = ["at", "new", "old"].map(|name| folder.join(name));
        for content in ["first", "second"] {
            fs::create_dir(&new).expect("a folder");
            fs::write(new.join(content), "").expect("a file");
            replace(&at, &new, &old).expect("moved");
        }
        assert!(at.join("second").exists() && !at.join("first").exists());
        assert!(old.join("first").exists() && !new.exists());
        fs::remove_dir_all(&folder).expect("remove the folder");
    }

    #[test]
    fn what_was_interrupted_is_not_found() {
        let folder = scratch("interrupted");
        assert!(!Qemu::below(&folder).expect("a path").runs());
        forget(&folder).expect("removed");
        forget(&folder).expect("nothing to remove");
    }

    fn scratch(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("xtask-qemu-{name}-{}", process::id()));
        fs::create_dir(&folder).expect("a folder");
        folder
    }
}
