//! An initial file system in memory: cpio in the format `newc`, as the kernel unpacks it.

/// Types of `st_mode`.
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: Vec<String>,
}

impl Archive {
    /// Adds a program or another file at an absolute path, and the folders that lead there.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.folders_of(path);
        self.entry(path, FILE | 0o755, content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.folders_of(path);
        self.entry(path, LINK | 0o777, target.as_bytes());
    }

    pub fn folder(&mut self, path: &str) {
        self.folders_of(path);
        if !self.folders.iter().any(|made| made == path) {
            self.folders.push(path.to_owned());
            self.entry(path, FOLDER | 0o755, &[]);
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.entry("/TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn folders_of(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/')
            && !parent.is_empty()
        {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        let name = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(content.len()).expect("files of less than 4 GiB");
        // Inode, mode, user, group, links, time, size, device (2), special device (2), length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_brings_its_folders_once_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", b"hello");
        archive.link("/a/d", "b/c");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let names: Vec<&str> =
            text.split("070701").skip(1).map(|entry| entry[104..].split('\0').next().unwrap()).collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "a/d", "TRAILER!!!"]);
        assert_eq!(bytes.len() % 4, 0);
        assert!(text.contains("hello"));
    }
}
