//! Files of recordings, in the state folder: made and packed by threads that can write nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail, ensure};
use capture::Writer;

use super::confine;

/// Bytes of a recording's name.
const LONGEST_NAME: usize = 64;

/// Where captures are, within the state folder.
pub fn folder(state: &Path) -> PathBuf {
    state.join("recordings")
}

/// Makes the file of a recording, if no more than so many bytes are kept then.
///
/// # Errors
/// The name is none, or is taken; there is no room.
pub fn create(folder: &Path, name: &str, largest_bytes: u64, kept_bytes: u64) -> Result<Writer> {
    check_name(name)?;
    let there = size(folder)?;
    ensure!(
        there.saturating_add(largest_bytes) <= kept_bytes,
        "{} has {there} bytes of captures, and with {largest_bytes} more there would be over {kept_bytes} \
         (`kept_bytes` of the configuration): remove some, or give a smaller size",
        folder.display()
    );
    let path = path(folder, name);
    ensure!(!path.exists(), "{} is there already: give another name", path.display());
    Writer::create(&path)
}

/// Removes a file into which nothing was recorded.
pub fn remove(folder: &Path, name: &str) {
    if let Err(error) = fs::remove_file(path(folder, name)) {
        tracing::warn!("remove the empty capture of {name}: {error}");
    }
}

/// The name of a recording that was given none.
pub fn name_by_time() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("at-{}.{:03}", seconds.as_secs(), seconds.subsec_millis())
}

/// A capture that was packed, and its size then.
pub type Packed = (PathBuf, Result<u64>);

/// Packs captures on a thread of its own, behind everything else that runs; by the ends of a way there and back.
///
/// # Errors
/// It cannot be confined.
pub fn start_packing(state: &Path) -> Result<(Sender<PathBuf>, Receiver<Packed>)> {
    /// `nice`
    const BEHIND_OTHERS: libc::c_int = 19;
    let (give, paths) = mpsc::channel::<PathBuf>();
    let (packed, done) = mpsc::channel();
    let (confined, outcome) = mpsc::channel();
    let state = state.to_owned();
    let pack = move || {
        // SAFETY: no pointer; 0 is this thread alone.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BEHIND_OTHERS) };
        let outcome = confine::door(&state).map(drop);
        let is_confined = outcome.is_ok();
        let _ = confined.send(outcome);
        if is_confined {
            for path in paths {
                let size = capture::pack(&path).and_then(|()| Ok(fs::metadata(&path)?.len()));
                let _ = packed.send((path, size));
            }
        }
    };
    thread::Builder::new().name("packing".to_owned()).spawn(pack).context("start the thread that packs")?;
    outcome.recv().context("the thread that packs ended")?.context("confine the thread that packs")?;
    Ok((give, done))
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.capture"))
}

/// A name of a file, and nothing else.
fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.chars().all(is_plain) {
        bail!(
            "a recording's name is up to {LONGEST_NAME} letters, digits and any of - _ . @, and begins with no dot"
        );
    }
    Ok(())
}

/// Of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let files = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    // One that is packed meanwhile may be gone.
    Ok(files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_new_file_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str, largest| create(folder.path(), name, largest, 1000).map(drop);
        for name in ["", ".", "..", ".hidden", "a/b", "/etc/x", "a\0b", "a b", "a\n", "ä", &"x".repeat(65)] {
            let error = create(name, 1).expect_err(name).to_string();
            assert!(error.contains("a recording's name"), "{name:?}: {error}");
        }
        create("a", 900).unwrap();
        assert!(create("a", 1).unwrap_err().to_string().contains("another name"));
        assert!(create("b", 999).unwrap_err().to_string().contains("kept_bytes"));
        assert!(create("b", u64::MAX).unwrap_err().to_string().contains("kept_bytes"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        remove(folder.path(), "a");
        create("a", 900).unwrap();
    }
}
