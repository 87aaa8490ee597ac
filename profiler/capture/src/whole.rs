//! Files that are written whole or not at all.

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

/// What the names of files begin with that are not whole yet.
pub const UNFINISHED: &str = ".unfinished-";

/// Lets `fill` write a new file, syncs it, and gives it the place of `path`. Before that it has no name, where the file
/// system can do that: who is killed while it is filled leaves nothing.
pub fn write(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = folder.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
    let done = write_as(&unfinished, folder, fill).and_then(|()| Ok(fs::rename(&unfinished, path)?));
    if done.is_err() {
        // It may have got its name.
        let _ = fs::remove_file(&unfinished);
    }
    done.with_context(|| format!("write {}", path.display()))
}

fn write_as(unfinished: &Path, folder: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(nameless) = open(folder, flags, Mode::from_raw_mode(0o644)) else {
        // NFS, for one, knows no files without a name.
        let mut named = File::create_new(unfinished)?;
        fill(&mut named)?;
        return Ok(named.sync_all()?);
    };
    let mut nameless = File::from(nameless);
    fill(&mut nameless)?;
    nameless.sync_all()?;
    // Only a name that is free can be given: `rename` takes the other.
    let itself = format!("/proc/self/fd/{}", nameless.as_raw_fd());
    Ok(linkat(CWD, itself, CWD, unfinished, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

    use anyhow::bail;

    use super::*;

    #[test]
    fn a_file_has_its_old_content_or_its_new_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let files = || folder.path().read_dir().expect("a folder").count();
        for content in ["first", "second"] {
            let before = (fs::read_to_string(&path).ok(), files());
            write(&path, |file| {
                file.write_all(content.as_bytes())?;
                assert_eq!((fs::read_to_string(&path).ok(), files()), before, "while it is written");
                Ok(())
            })
            .expect("written");
            assert_eq!((fs::read_to_string(&path).expect("it is there").as_str(), files()), (content, 1));
        }
        assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "before").expect("a file");
        let error = write(&path, |file| {
            file.write_all(b"half")?;
            bail!("the disk is full")
        });
        let error = format!("{:#}", error.expect_err("it failed"));
        assert!(error.contains("/file: the disk is full"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "before");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 1);
        assert!(write(&folder.path().join("none/file"), |_| Ok(())).is_err(), "there is no such folder");
    }
}
