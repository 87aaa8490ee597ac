//! `cargo xtask package`: the service as hosts install it, a Debian package.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{command, run, workspace};

const NAME: &str = "transfer-profiler";

/// The units' exposure by `systemd-analyze security`, in tenths: more is refused.
const EXPOSURE_LIMIT: u32 = 30;

/// Make a Debian package of the service in `target/package/`, with its units checked where systemd's tools are
#[derive(clap::Args)]
#[command(
    after_help = "Example: cargo xtask package && sudo apt install ./target/package/transfer-profiler_*.deb"
)]
pub struct Args {
    /// Package this program instead of a release build
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

pub fn package(args: &Args) -> Result<()> {
    let metadata = workspace::metadata()?;
    let folder = workspace::target_dir(&metadata)?.join("package");
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("empty {}", tree.display()))?;
    }
    let program = match &args.program {
        Some(program) => program.clone(),
        None => run::release_build()?,
    };
    lay_out(&tree, &program)?;
    check_units(&tree)?;
    check_rules()?;
    let version = version(&metadata)?;
    let libc = newest_libc(&tree.join("usr/bin/profiler"))?;
    control(&tree, &version, &libc)?;
    let package = folder.join(format!("{NAME}_{version}_amd64.deb"));
    command::run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&package))?;
    println!("{}", package.display());
    Ok(())
}

/// The files, where they will be on the host.
fn lay_out(tree: &Path, program: &Path) -> Result<()> {
    let scripts = workspace::root().join("scripts");
    let put = |from: PathBuf, to: &str, mode| put(&from, &tree.join(to), mode);
    put(program.to_owned(), "usr/bin/profiler", 0o755)?;
    // Nine tenths of it are for debuggers.
    command::run(Command::new("strip").arg(tree.join("usr/bin/profiler")))?;
    for unit in ["collector", "gateway"] {
        let name = format!("profiler-{unit}.service");
        put(scripts.join("systemd").join(&name), &format!("usr/lib/systemd/system/{name}"), 0o644)?;
        put(scripts.join(format!("deb/{unit}.toml")), &format!("etc/profiler/{unit}.toml"), 0o644)?;
    }
    put(scripts.join("deb/sysusers.conf"), &format!("usr/lib/sysusers.d/{NAME}.conf"), 0o644)?;
    put(scripts.join("prometheus/rules.yml"), &format!("usr/share/doc/{NAME}/prometheus/rules.yml"), 0o644)?;
    put(scripts.join("deb/copyright"), &format!("usr/share/doc/{NAME}/copyright"), 0o644)?;
    for page in ["usage", "method", "limitations", "cost"] {
        let from = workspace::root().join(format!("profiler/docs/{page}.md"));
        put(from, &format!("usr/share/doc/{NAME}/{page}.md"), 0o644)?;
    }
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/profiler"),
        ("zsh", "usr/share/zsh/vendor-completions/_profiler"),
        ("fish", "usr/share/fish/vendor_completions.d/profiler.fish"),
    ] {
        let completions = command::ask(Command::new(program).args(["completions", shell]));
        write(&tree.join(place), &completions.context("the program prints no completions")?, 0o644)?;
    }
    manual(&tree.join("usr/share/man/man1"), program)
}

/// The manual's pages, packed as Debian has them.
fn manual(folder: &Path, program: &Path) -> Result<()> {
    command::run(Command::new(program).arg("man").arg(folder))?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        pages.push(entry?.path());
    }
    ensure!(!pages.is_empty(), "the program has no manual");
    pages.iter().try_for_each(|page| set_mode(page, 0o644))?;
    command::run(Command::new("gzip").arg("-9n").args(pages))
}

/// What dpkg reads: the package's description, and what is done as it comes and goes.
fn control(tree: &Path, version: &str, libc: &str) -> Result<()> {
    let deb = workspace::root().join("scripts/deb");
    let size_kib = bytes(&tree.join("usr"))?.div_ceil(1024).to_string();
    let text = fs::read_to_string(deb.join("control")).context("read scripts/deb/control")?;
    let filled = text.replace("{version}", version).replace("{size_kib}", &size_kib).replace("{libc}", libc);
    ensure!(
        !filled.contains('{'),
        "scripts/deb/control has something to fill in that is not known: {filled}"
    );
    write(&tree.join("DEBIAN/control"), &filled, 0o644)?;
    put(&deb.join("conffiles"), &tree.join("DEBIAN/conffiles"), 0o644)?;
    ["postinst", "prerm", "postrm"]
        .into_iter()
        .try_for_each(|script| put(&deb.join(script), &tree.join("DEBIAN").join(script), 0o755))
}

/// That systemd knows every option, and finds the units well confined.
fn check_units(tree: &Path) -> Result<()> {
    let Some(analyze) = command::find("systemd-analyze") else {
        eprintln!("the units are not checked: there is no systemd-analyze here");
        return Ok(());
    };
    for unit in ["collector", "gateway"] {
        let unit = tree.join(format!("usr/lib/systemd/system/profiler-{unit}.service"));
        let mut check = Command::new(&analyze);
        check.args(["security", "--offline=true", "--no-pager"]);
        check.arg(format!("--threshold={EXPOSURE_LIMIT}")).arg(&unit);
        let line = command::line(&check);
        let output = check.output().with_context(|| format!("start `{line}`"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let summary = said.lines().last().unwrap_or_default();
        ensure!(output.status.success(), "`{line}` failed: {summary}");
        // Options that are not known are warnings.
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(!complaints.contains("profiler-"), "`{line}`: {complaints}");
        eprintln!("{}", summary.trim_start_matches(['→', ' ']));
    }
    Ok(())
}

/// That Prometheus understands the rules, and that they say what their tests expect.
fn check_rules() -> Result<()> {
    let Some(promtool) = command::find("promtool") else {
        eprintln!("the rules for Prometheus are not checked: there is no promtool here");
        return Ok(());
    };
    let folder = workspace::root().join("scripts/prometheus");
    for job in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]] {
        command::run(Command::new(&promtool).args(job).current_dir(&folder))?;
    }
    Ok(())
}

/// Of the workspace's packages, which have one.
fn version(metadata: &serde_json::Value) -> Result<String> {
    let packages = metadata["packages"].as_array().context("`cargo metadata` names no packages")?;
    let profiler = packages.iter().find(|package| package["name"] == "profiler");
    let version = profiler.and_then(|package| package["version"].as_str());
    Ok(version.context("`cargo metadata` names no version of the profiler")?.to_owned())
}

/// The C library that the program needs at least, by the versions of the symbols that it names.
fn newest_libc(program: &Path) -> Result<String> {
    let symbols = command::ask(Command::new("objdump").arg("-T").arg(program));
    newest(&symbols.context("objdump shows no symbols of the program")?)
        .context("the program names no version of the C library")
}

fn newest(symbols: &str) -> Option<String> {
    let versions = symbols.split("GLIBC_").skip(1).filter_map(|rest| {
        let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
        Some((numbers?, version))
    });
    versions.max().map(|(_, version)| version.to_owned())
}

fn bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_folder_of(to)?;
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str, mode: u32) -> Result<()> {
    make_folder_of(to)?;
    fs::write(to, text).with_context(|| format!("write {}", to.display()))?;
    set_mode(to, mode)
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

fn set_mode(file: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set who may use {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_told_by_its_numbers() {
        assert_eq!(newest("a (GLIBC_2.2.5) b\n c (GLIBC_2.34) d\n GLIBC_2.9 e"), Some("2.34".to_owned()));
        assert_eq!(newest("GLIBC_PRIVATE"), None);
    }

    /// What is in the package, with a program that does nothing.
    #[test]
    fn units_run_what_is_installed_as_users_that_are_made() {
        let scripts = workspace::root().join("scripts");
        let read = |place: &str| fs::read_to_string(scripts.join(place)).unwrap();
        let users = read("deb/sysusers.conf");
        for (unit, job, user) in
            [("collector", "daemon", "profiler"), ("gateway", "gateway", "profiler-gateway")]
        {
            let text = read(&format!("systemd/profiler-{unit}.service"));
            let start = format!("ExecStart=/usr/bin/profiler {job} --config /etc/profiler/{unit}.toml");
            for line in [start.as_str(), &format!("User={user}"), "Type=notify", "NoNewPrivileges=yes"] {
                assert!(text.lines().any(|found| found == line), "{unit}: {line}");
            }
            let made = users.lines().any(|line| line.split_whitespace().nth(1) == Some(user));
            assert!(made, "{user} is not made");
            assert!(read("deb/conffiles").contains(&format!("/etc/profiler/{unit}.toml")));
        }
    }
}
