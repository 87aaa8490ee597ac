//! What is mounted in this process's namespace.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::ffi::OsStringExt as _},
};

use anyhow::{Context as _, Result};
use capture::Mount;
use procfs::process::MountInfo;

use crate::clock::now_ns;

const PATH: &str = "/proc/self/mountinfo";

/// Every mount, those that hide others after them. Unlike in the file, paths are what they are: any bytes.
pub fn mounted() -> Result<Vec<MountInfo>> {
    fs::read(PATH).map_err(Into::into).and_then(|text| parse(&text)).with_context(|| format!("read {PATH}"))
}

/// File systems that hand calls on to a program, as they are mounted.
#[derive(Default)]
pub struct Passing {
    /// The kernel tells on it that mounts have changed.
    watched: Option<File>,
    known: HashSet<(u32, u32)>,
}

impl Passing {
    /// Those that came since the last time. Nothing where mounts cannot be read.
    pub fn come(&mut self) -> Vec<Mount> {
        if !self.may_have_changed() {
            return Vec::new();
        }
        let passing = mounted().unwrap_or_default().into_iter().filter(|mount| is_fuse(&mount.fs_type));
        let come = passing.filter_map(|mount| {
            let (major, minor) = mount.majmin.split_once(':')?;
            let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
            let is_new = self.known.insert((major, minor));
            is_new.then(|| Mount { at_ns: now_ns(), major, minor, kind: mount.fs_type })
        });
        come.collect()
    }

    fn may_have_changed(&mut self) -> bool {
        let Some(watched) = &self.watched else {
            self.watched = File::open(PATH).ok();
            return true;
        };
        let mut poll = libc::pollfd { fd: watched.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
        // SAFETY: one descriptor, and no time to wait.
        unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
    }
}

/// `fuse`, `fuse.NAME` and `fuseblk`; not its control files.
fn is_fuse(kind: &str) -> bool {
    kind == "fuse" || kind == "fuseblk" || kind.starts_with("fuse.")
}

pub(super) fn parse(text: &[u8]) -> Result<Vec<MountInfo>> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(mount).collect()
}

fn mount(line: &[u8]) -> Result<MountInfo> {
    /// Of the fields, from 0.
    const ROOT: usize = 3;
    const MOUNT_POINT: usize = 4;
    let mut mount = MountInfo::from_line(&String::from_utf8_lossy(line))?;
    let field = |place| unescaped(line.split(|&byte| byte == b' ').nth(place).unwrap_or_default());
    mount.root = String::from_utf8_lossy(&field(ROOT)).into_owned();
    mount.mount_point = OsString::from_vec(field(MOUNT_POINT)).into();
    mount.mount_source =
        mount.mount_source.map(|source| String::from_utf8_lossy(&unescaped(source.as_bytes())).into_owned());
    Ok(mount)
}

/// The kernel writes spaces, tabs, line feeds and backslashes as `\` and three octal digits (`mangle_path`, 6.18).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        };
        match after.get(..3).filter(|_| *first == b'\\').and_then(octal) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn kinds_that_hand_calls_on_are_known_by_name() {
        let kinds = ["fuse", "fuse.bindfs", "fuseblk", "fusectl", "ext4", "nfs4"];
        assert_eq!(kinds.map(is_fuse), [true, true, true, false, false, false]);
    }

    #[test]
    fn paths_are_what_they_are() {
        let check = |path: &[u8], root: &str, mounted_on: &[u8]| {
            let line = [b"36 35 98:0 ", path, b" rw,noatime master:1 - ext4 /dev/a\\040b rw\n"].concat();
            let [mount] = &parse(&line).unwrap()[..] else { panic!("one mount") };
            assert_eq!(mount.root, root);
            assert_eq!(mount.mount_point.as_os_str().as_bytes(), mounted_on);
            assert_eq!((mount.fs_type.as_str(), mount.mount_source.as_deref()), ("ext4", Some("/dev/a b")));
        };
        check(b"/ /mnt", "/", b"/mnt");
        check(br"/a\040b /c\011d\012e\134f", "/a b", b"/c\td\ne\\f");
        check(b"/ /\xff", "/", b"/\xff");
        check(br"/ /a\04", "/", br"/a\04");
    }
}
