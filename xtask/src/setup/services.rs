//! Keeps the services off that Debian starts with a package: the benchmark starts its own, on the same ports.
//!
//! A service that is already installed is left as it is.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::command;

/// Packages that bring a service of the same name.
const SERVICES: [&str; 3] = ["deluged", "opentracker", "transmission-daemon"];
const UNITS: &str = "/etc/systemd/system";
const INIT_SCRIPTS: &str = "/etc/init.d";

/// The services that `packages` bring.
pub fn of<'a>(packages: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    packages.filter(|package| SERVICES.contains(package))
}

/// Runs `install`, which installs `packages`. Their services are masked meanwhile, so that they do not start, and
/// disabled afterwards, so that `systemctl start` works and the next boot does not start them.
pub fn kept_off(packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let services: Vec<&str> = of(packages.iter().copied()).collect();
    let mut masks = Vec::new();
    for service in &services {
        masks.extend(mask(Path::new(UNITS), service)?);
    }
    let installed = install();
    for mask in masks {
        fs::remove_file(&mask).with_context(|| format!("unmask the service: remove {}", mask.display()))?;
    }
    if installed.is_ok() {
        services.iter().for_each(|service| disable(service));
    }
    installed
}

/// Masks the unit of `service`, as systemctl does; nothing where the administrator has one of his own.
fn mask(units: &Path, service: &str) -> Result<Option<PathBuf>> {
    let unit = units.join(format!("{service}.service"));
    if unit.symlink_metadata().is_ok() {
        return Ok(None);
    }
    fs::create_dir_all(units)
        .and_then(|()| symlink("/dev/null", &unit))
        .with_context(|| format!("mask {service}: link {} to /dev/null", unit.display()))?;
    Ok(Some(unit))
}

/// Only the next boot depends on it, so that a failure is told but stops nothing.
fn disable(service: &str) {
    let mut disable;
    if command::find("systemctl").is_some() {
        disable = Command::new("systemctl");
        disable.args(["disable", "--quiet", service]);
    } else if Path::new(INIT_SCRIPTS).join(service).exists() {
        disable = Command::new("update-rc.d");
        disable.args([service, "disable"]);
    } else {
        return;
    }
    if let Err(error) = command::run(&mut disable) {
        eprintln!("warning: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn only_packages_with_a_service_are_masked() {
        let packages = ["rustc-web", "opentracker"];
        assert_eq!(of(packages.into_iter()).collect::<Vec<_>>(), ["opentracker"]);
    }

    #[test]
    fn a_unit_is_masked_once_and_never_replaced() {
        let units = env::temp_dir().join(format!("xtask-units-{}", process::id()));
        let unit = mask(&units, "opentracker").expect("a mask").expect("the first one");
        assert_eq!(fs::read_link(&unit).expect("a link"), Path::new("/dev/null"));
        assert_eq!(mask(&units, "opentracker").expect("no error"), None);
        fs::remove_dir_all(&units).expect("remove the folder");
    }
}
