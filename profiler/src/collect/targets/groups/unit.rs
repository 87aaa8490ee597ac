//! The control group of a systemd unit: what systemd says, or without it where its naming rule puts the unit.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use super::{Group, Hierarchy, inside, listed, same_members};

/// The groups of a unit. `systemctl` is the program to ask.
pub fn of_unit(name: &str, systemctl: &OsStr, hierarchies: &[Hierarchy]) -> Result<Vec<Group>> {
    let unit = with_suffix(name);
    let answer = ask(&unit, systemctl);
    let path = match &answer {
        Ok(path) if path.is_empty() => bail!(
            "unit {unit} does not run, so it has no control group: start it (`systemctl start {unit}`), or name a \
             group with --cgroup"
        ),
        Ok(path) => PathBuf::from(path),
        Err(_) => by_rule(&unit),
    };
    let with_units = || hierarchies.iter().filter(|hierarchy| hierarchy.has_units);
    let found = inside(&path, with_units());
    match answer {
        _ if !found.is_empty() => same_members(&path, found),
        Ok(path) => bail!(
            "systemd keeps unit {unit} in the control group {path}, which is in no hierarchy that is mounted here"
        ),
        Err(why) => bail!(
            "the control group of unit {unit} is not known: systemctl says \"{why}\", and there is no {} in a \
             hierarchy of systemd ({}); name the group with --cgroup",
            path.display(),
            listed(with_units().map(|hierarchy| &hierarchy.mounted_on))
        ),
    }
}

/// As systemctl completes names: what has no type is a service.
fn with_suffix(name: &str) -> String {
    const WITH_GROUPS: [&str; 6] = [".service", ".slice", ".scope", ".socket", ".mount", ".swap"];
    match WITH_GROUPS.iter().any(|suffix| name.ends_with(suffix)) {
        true => name.to_owned(),
        false => format!("{name}.service"),
    }
}

/// The path inside systemd's hierarchy, empty for a unit that does not run; or what keeps systemctl from answering.
fn ask(unit: &str, systemctl: &OsStr) -> Result<String, String> {
    let output = Command::new(systemctl)
        .args(["show", "--property=ControlGroup", "--value", "--", unit])
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("nothing").to_owned()),
    }
}

/// Where systemd puts a unit of the system that has no slice of its own: instances of a template into a slice for the
/// template, slices into those that their names are made of.
fn by_rule(unit: &str) -> PathBuf {
    if let Some(slice) = unit.strip_suffix(".slice") {
        let names = slice.match_indices('-').map(|(end, _)| &slice[..end]).chain([slice]);
        return names.map(|name| format!("{name}.slice")).collect();
    }
    let mut path = PathBuf::from("system.slice");
    if let Some((template, _)) = unit.split_once('@') {
        // Dashes would be slices.
        path.push(format!("system-{}.slice", template.replace('-', r"\x2d")));
    }
    path.join(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_their_places() {
        let check = |name: &str, path: &str| assert_eq!(by_rule(&with_suffix(name)), PathBuf::from(path));
        check("sshd", "system.slice/sshd.service");
        check("run-1.scope", "system.slice/run-1.scope");
        check("getty@tty1", "system.slice/system-getty.slice/getty@tty1.service");
        check("my-node@1.service", r"system.slice/system-my\x2dnode.slice/my-node@1.service");
        check("user-1000.slice", "user.slice/user-1000.slice");
        check("machine.slice", "machine.slice");
    }
}
