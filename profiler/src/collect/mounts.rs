//! What is mounted in this process's namespace.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt as _};

use anyhow::{Context as _, Result};
use procfs::process::MountInfo;

/// Every mount, those that hide others after them. Unlike in the file, paths are what they are: any bytes.
pub fn mounted() -> Result<Vec<MountInfo>> {
    let path = "/proc/self/mountinfo";
    fs::read(path).map_err(Into::into).and_then(|text| parse(&text)).with_context(|| format!("read {path}"))
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
