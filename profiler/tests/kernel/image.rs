//! A file system in a file, on a loop device.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::files::folder;

/// Unmounted when it is dropped, which detaches its loop device, too.
pub struct Image {
    folder: TempDir,
}

impl Image {
    /// `mkfs` is the program with its options.
    #[track_caller]
    pub fn mount(mkfs: &[&str], bytes: u64, options: &str) -> Self {
        let image = Self { folder: folder() };
        let file = image.folder.path().join("image");
        fs::File::create(&file).unwrap().set_len(bytes).unwrap();
        let made = Command::new(mkfs[0]).args(&mkfs[1..]).arg(&file).status();
        assert!(made.unwrap_or_else(|error| panic!("{}: {error}", mkfs[0])).success());
        fs::create_dir(image.folder()).unwrap();
        mount(&file, &image.folder(), options);
        image
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder()).status();
    }
}

#[track_caller]
fn mount(file: &Path, on: &Path, options: &str) {
    let options = format!("loop,{options}");
    let status = Command::new("mount").args(["-o", &options]).arg(file).arg(on).status().unwrap();
    assert!(status.success(), "mount with {options}: {status}");
}
