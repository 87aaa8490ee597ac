//! Installs Debian's packages for what is missing, or says how to get it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{distribution, distribution::Distribution, need::Need, services, tell::Tell};
use crate::command;

/// Installs the packages of those `needs` that are not met; the error says what to do where that is not possible.
pub fn install(needs: &[Need], tell: Tell) -> Result<()> {
    for need in needs {
        match &need.found {
            Some(found) => tell.found(need.what, found),
            None => tell.missing(need.what, format_args!("package {}", need.packages.join(", "))),
        }
    }
    let missing: Vec<&Need> = needs.iter().filter(|need| need.found.is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(way_out) = way_out(&missing, &distribution::of_this_machine(), command::is_root()) {
        bail!("{way_out}");
    }

    let packages: Vec<&str> = packages(&missing).collect();
    tell.installing("packages", packages.join(" "));
    update();
    // What it would replace is not removed, such as another compiler in `/usr/bin`.
    services::kept_off(&packages, || command::run(install_command(apt_get().arg("--no-remove"), &missing)))?;
    tell.installed("packages", packages.join(" "));
    Ok(())
}

/// Renews the lists of packages.
pub fn update() {
    if let Err(error) = command::run(apt_get().arg("update")) {
        // One broken source among many need not matter; if it does, what comes next fails and says so.
        eprintln!("warning: {error:#}");
    }
}

/// Unpacks a package without installing it.
pub fn unpack(package: &Path, into: &Path) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package).arg(into).stdin(Stdio::null());
    // Without a line for each, as `command::run` would have it.
    let done = unpack.status().with_context(|| format!("start `{}`", command::line(&unpack)))?;
    ensure!(done.success(), "`{}` failed: {done}", command::line(&unpack));
    Ok(())
}

/// What the user has to do, where setup cannot do it.
fn way_out(missing: &[&Need], distribution: &Distribution, is_root: bool) -> Option<String> {
    if distribution.is_debian && is_root {
        return None;
    }
    let what: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let mut lines = Vec::new();
    if distribution.is_debian {
        lines.push(format!("missing: {}; as root:", what.join(", ")));
        lines.push("    apt-get update".into());
        lines.push(format!("    {}", command::line(install_command(&mut Command::new("apt-get"), missing))));
        let services: Vec<&str> = services::of(packages(missing)).collect();
        if !services.is_empty() {
            // Debian starts them, and they take ports that the benchmark's own want.
            lines.push(format!("    systemctl disable --now {}", services.join(" ")));
        }
        lines.push("or without root:".into());
    } else {
        lines.push(format!(
            "missing: {}; setup does not know the packages of `{}`, so by hand:",
            what.join(", "),
            distribution.id
        ));
    }
    lines.extend(missing.iter().map(|need| format!("    {}", need.by_hand)));
    lines.push("then run `cargo xtask setup` again".into());
    Some(lines.join("\n"))
}

fn packages<'a>(missing: &[&'a Need]) -> impl Iterator<Item = &'a str> {
    missing.iter().flat_map(|need| need.packages).copied()
}

fn install_command<'a>(apt_get: &'a mut Command, missing: &[&Need]) -> &'a mut Command {
    apt_get.args(["install", "--no-install-recommends"]).args(packages(missing))
}

/// apt-get that asks nothing.
pub fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--yes", "--quiet=2", "-oDpkg::Use-Pty=0", "-oDPkg::Lock::Timeout=120"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        // For init scripts: in this run level, invoke-rc.d starts no service.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        // dpkg's four lines for each package; errors go to stderr.
        .stdout(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKER: Need =
        Need { what: "opentracker", found: None, packages: &["opentracker"], by_hand: "build opentracker" };
    const COMPILER: Need =
        Need { what: "compiler", found: None, packages: &["rustc-web", "cargo-web"], by_hand: "rustup …" };

    fn check(id: &str, is_debian: bool, is_root: bool, expected: Option<&str>) {
        let distribution = Distribution { id: id.into(), is_debian };
        assert_eq!(way_out(&[&TRACKER, &COMPILER], &distribution, is_root).as_deref(), expected);
    }

    #[test]
    fn root_on_debian_needs_no_way_out() {
        check("debian", true, true, None);
    }

    #[test]
    fn without_root_the_commands_are_shown() {
        let expected = "missing: opentracker, compiler; as root:
    apt-get update
    apt-get install --no-install-recommends opentracker rustc-web cargo-web
    systemctl disable --now opentracker
or without root:
    build opentracker
    rustup …
then run `cargo xtask setup` again";
        check("debian", true, false, Some(expected));
    }

    #[test]
    fn on_another_distribution_root_does_not_help() {
        let expected =
            "missing: opentracker, compiler; setup does not know the packages of `fedora`, so by hand:
    build opentracker
    rustup …
then run `cargo xtask setup` again";
        check("fedora", false, true, Some(expected));
        check("fedora", false, false, Some(expected));
    }
}
