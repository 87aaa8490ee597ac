//! The initial file system of a virtual kernel: the tests, and what they and `init.sh` start, with its libraries.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{archive::Archive, build::Programs};
use crate::command;

/// This host's programs that the tests of the selection and `init.sh` start.
const PROGRAMS: [&str; 16] = [
    "bash", "cat", "head", "ip", "kill", "ln", "mkdir", "mount", "seq", "setsid", "sh", "sleep", "tc",
    "true", "umount", "unshare",
];

/// With the arguments that the test is called with, and modules by the version of their kernel.
pub fn write(
    to: &Path,
    programs: &Programs,
    arguments: &[String],
    modules: &[(&str, Vec<PathBuf>)],
) -> Result<()> {
    let mut archive = Archive::default();
    // As on the distribution, so that a library is found under either path.
    for folder in ["bin", "sbin", "lib", "lib64"] {
        archive.folder(&format!("/usr/{folder}"));
        archive.link(&format!("/{folder}"), &format!("usr/{folder}"));
    }
    for folder in ["/proc", "/sys", "/dev", "/tmp", "/run", "/var/tmp"] {
        archive.folder(folder);
    }
    archive.file("/init", include_bytes!("init.sh"));
    archive.file("/tests/arguments", arguments.join(" ").as_bytes());

    for (version, module) in
        modules.iter().flat_map(|(version, all)| all.iter().map(move |one| (version, one)))
    {
        let name = module.file_name().and_then(|name| name.to_str()).context("a module has a name")?;
        archive.file(&format!("/modules/{version}/{name}"), &read(module)?);
    }

    let mut files = Vec::new();
    for name in PROGRAMS {
        let path = command::find_for_root(name)
            .with_context(|| format!("the virtual kernels need `{name}`, which is not on this host"))?;
        archive.file(&format!("/usr/bin/{name}"), &read(&path)?);
        files.push(path);
    }
    let stripped = to.with_extension("stripped");
    for (name, program) in [("test", &programs.test), ("profiler", &programs.profiler)] {
        // Nine tenths of a test's executable are debug information.
        command::run(Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(program))?;
        let path = program.to_str().context("the target directory's path is not UTF-8")?;
        archive.file(&format!("/tests/{name}"), &read(&stripped)?);
        // Tests know the profiler by its path on this host, which may be in a folder that is mounted over.
        archive.file(&format!("/tests/{name}.path"), format!("{path}\n").as_bytes());
        files.push(program.clone());
    }
    fs::remove_file(&stripped).with_context(|| format!("remove {}", stripped.display()))?;

    let mut libraries = files.iter().map(|file| libraries_of(file)).collect::<Result<Vec<_>>>()?.concat();
    libraries.sort();
    libraries.dedup();
    for library in libraries {
        // `/lib64/x` lies in `/usr/lib64` there.
        let at = if library.starts_with("/usr/") { library.clone() } else { format!("/usr{library}") };
        archive.file(&at, &read(Path::new(&library))?);
    }
    fs::write(to, archive.finish()).with_context(|| format!("write {}", to.display()))
}

/// What the dynamic linker loads for a program.
fn libraries_of(program: &Path) -> Result<Vec<String>> {
    let printed = command::ask(Command::new("ldd").arg(program));
    let printed = printed.with_context(|| format!("ask `ldd` for the libraries of {}", program.display()))?;
    let missing = printed.lines().find(|line| line.contains("not found"));
    ensure!(missing.is_none(), "{}: {}", program.display(), missing.unwrap_or_default().trim());
    Ok(printed.split_whitespace().filter(|word| word.starts_with('/')).map(String::from).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
