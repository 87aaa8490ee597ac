//! The control group of a systemd unit: what systemd says, or without it where its naming rule puts the unit.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// The groups of a unit as the folders of systemd's hierarchies have them, in whatever slice; none while it does not run. Asks
/// no program.
pub fn find_unit(name: &str, hierarchies: &[Hierarchy]) -> Result<Vec<Group>> {
    let unit = with_suffix(name);
    let with_units = || hierarchies.iter().filter(|hierarchy| hierarchy.has_units);
    let found = inside(&by_rule(&unit), with_units());
    if !found.is_empty() {
        return Ok(found);
    }
    let mut found = Vec::new();
    for hierarchy in with_units() {
        if found.iter().all(|known: &Group| known.hierarchy != hierarchy.id)
            && let Some(folder) = below(&hierarchy.mounted_on, &unit)
        {
            found.push(Group { folder, hierarchy: hierarchy.id });
        }
    }
    Ok(found)
}

/// The first folder of a name, those that are higher up before those below them.
fn below(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut level = vec![folder.to_owned()];
    while !level.is_empty() {
        let inside = level.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let folders = inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        level = folders.map(|entry| entry.path()).collect();
        level.sort_unstable();
        if let Some(found) = level.iter().find(|folder| folder.file_name() == Some(name.as_ref())) {
            return Some(found.clone());
        }
    }
    None
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
    fn a_unit_is_found_in_whatever_slice() {
        let root = tempfile::tempdir().unwrap();
        let hierarchy =
            Hierarchy { mounted_on: root.path().to_owned(), root: "/".into(), id: 0, has_units: true };
        let find = || find_unit("node", std::slice::from_ref(&hierarchy)).unwrap();
        assert_eq!(find(), []);
        let folder = root.path().join("storage.slice/storage-fast.slice/node.service");
        fs::create_dir_all(folder.join("node.service")).unwrap();
        assert_eq!(find(), [Group { folder, hierarchy: 0 }]);
        let folder = root.path().join("system.slice/node.service");
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(find(), [Group { folder: folder.canonicalize().unwrap(), hierarchy: 0 }]);
        assert_eq!(find_unit("node", &[Hierarchy { has_units: false, ..hierarchy.clone() }]).unwrap(), []);
    }

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
