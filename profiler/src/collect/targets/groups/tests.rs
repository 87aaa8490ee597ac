//! Groups are found, or the message says what to do. Folders stand for the kernel's.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Three hierarchies: version 2, systemd's of version 1, and one of a controller.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    /// `groups` are paths of groups with the lines of their `cgroup.procs`.
    fn new(groups: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for hierarchy in ["unified", "systemd", "memory"] {
            fs::create_dir(folder.path().join(hierarchy)).unwrap();
        }
        for (path, processes) in groups {
            let group = folder.path().join(path);
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.procs"), processes).unwrap();
        }
        Self { folder }
    }

    fn hierarchies(&self) -> Vec<Hierarchy> {
        let hierarchy = |(id, name)| Hierarchy {
            mounted_on: self.folder.path().join(name),
            root: "/".into(),
            id,
            has_units: name != "memory",
        };
        [(0, "unified"), (9, "systemd"), (4, "memory")].map(hierarchy).into()
    }

    fn found(&self, groups: Result<Vec<Group>>) -> String {
        let mut text = match groups {
            Ok(groups) => listed(groups.iter().map(|group| &group.folder)),
            Err(error) => format!("{error:#}"),
        };
        text = text.replace(&format!("{}/", self.folder.path().display()), "");
        text
    }

    #[track_caller]
    fn check(&self, path: &str, expected: &str) {
        let path = path.replace("HOST", &self.folder.path().display().to_string());
        let found = self.found(named(Path::new(&path), &self.hierarchies()));
        assert!(found.contains(expected), "{path}: {found}");
    }

    /// What a unit resolves to where systemctl is this shell script.
    #[track_caller]
    fn check_unit(&self, name: &str, systemctl: &str, expected: &[&str]) {
        let program = self.folder.path().join("systemctl");
        fs::write(&program, format!("#!/bin/sh\n{systemctl}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let found = self.found(of_unit(name, program.as_os_str(), &self.hierarchies()));
        for part in expected {
            assert!(found.contains(part), "{name}: {found}");
        }
    }
}

#[test]
fn a_path_is_a_folder_or_inside_a_hierarchy() {
    let own = format!("{}\n", std::process::id());
    let host = Host::new(&[
        ("unified/box", ""),
        ("memory/jail/inner", ""),
        ("systemd/both", &own),
        ("memory/both", &own),
        ("systemd/differs", &own),
        ("memory/differs", ""),
    ]);
    host.check("HOST/memory/jail", "memory/jail");
    host.check("/jail/inner", "memory/jail/inner");
    host.check("box", "unified/box");
    host.check("/both", "systemd/both, memory/both");
    host.check("/differs", "not with the same processes");
    host.check("/differs", "systemd/differs, memory/differs");
    host.check("/nothing", "there is no control group /nothing");
    host.check("/nothing", "mounted are: unified, systemd, memory");
    host.check("HOST/memory/nothing", "there is no control group memory/nothing");
    // A folder, but none of a hierarchy.
    host.check("/jail/../../..", "there is no control group");
}

#[test]
fn a_hierarchy_may_be_mounted_again_in_part_and_inside_of_another() {
    let host = Host::new(&[
        ("unified/box", ""),
        ("unified/legacy/box", ""),
        ("again/box", ""),
        ("part/inner", ""),
        ("above/deep", ""),
    ]);
    let mount = |name: &str, root: &str, id| Hierarchy {
        mounted_on: host.folder.path().join(name),
        root: root.into(),
        id,
        has_units: false,
    };
    let mounts = [
        mount("unified", "/", 0),
        mount("again", "/", 0),
        mount("unified/legacy", "/", 7),
        mount("part", "/jail", 4),
        mount("above", "/../..", 5),
    ];
    let check = |path: &str, expected: &[(&str, u32)]| {
        let path = path.replace("HOST", &host.folder.path().display().to_string());
        let found = named(Path::new(&path), &mounts).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|group| {
                let folder = group.folder.strip_prefix(host.folder.path()).unwrap();
                (folder.to_str().unwrap(), group.hierarchy)
            })
            .collect();
        assert_eq!(found, expected, "{path}");
    };
    check("HOST/unified/box", &[("unified/box", 0)]);
    check("HOST/again/box", &[("again/box", 0)]);
    check("HOST/unified/legacy/box", &[("unified/legacy/box", 7)]);
    // As in /proc/PID/cgroup: version 2's once, by whichever mount.
    check("/box", &[("unified/box", 0), ("unified/legacy/box", 7)]);
    check("/jail/inner", &[("part/inner", 4)]);
    check("/deep", &[("above/deep", 5)]);
    check("/../../deep", &[("above/deep", 5)]);
}

#[test]
fn members_are_those_of_the_groups_below_too() {
    let own = std::process::id();
    let host = Host::new(&[("memory/jail", ""), ("memory/jail/a/b", &format!("{own}\n"))]);
    let found = named(Path::new("/jail"), &host.hierarchies()).unwrap();
    // Process 2 is a thread of the kernel.
    fs::write(host.folder.path().join("memory/jail/cgroup.procs"), "2\n4194303\n").unwrap();
    assert_eq!(found[0].members().unwrap(), BTreeSet::from([own]));
}

#[test]
fn a_unit_is_where_systemd_says_or_where_its_name_puts_it() {
    let host = Host::new(&[
        ("unified/system.slice/node.service", ""),
        ("systemd/system.slice/node.service", ""),
        ("systemd/custom.slice/node.service", ""),
        ("memory/system.slice/other.service", ""),
    ]);
    let both = "unified/system.slice/node.service, systemd/system.slice/node.service";
    host.check_unit("node", "echo /system.slice/node.service", &[both]);
    host.check_unit("node", "echo /custom.slice/node.service", &["systemd/custom.slice/node.service"]);
    host.check_unit(
        "node",
        "test \"$5\" = node.service && echo /custom.slice/node.service",
        &["custom.slice"],
    );
    host.check_unit(
        "node",
        "echo",
        &["node.service does not run", "systemctl start node.service", "--cgroup"],
    );
    host.check_unit("node", "echo /machine.slice/node.service", &["/machine.slice/node.service", "mounted"]);
    // Without systemd the naming rule is all there is.
    let none = "echo 'System has not been booted with systemd' >&2; exit 1";
    host.check_unit("node", none, &[both]);
    host.check_unit("other", none, &["not been booted", "system.slice/other.service", "--cgroup"]);
    let found = host.found(of_unit("gone", "/nonexistent/systemctl".as_ref(), &host.hierarchies()));
    assert!(found.contains("No such file") && found.contains("system.slice/gone.service"), "{found}");
}
