//! Programs of others that the benchmark needs, and where they come from.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// A program that must be installed.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    pub source: Source,
    pub user: User,
}

/// Where a program comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// PATH; the Debian package that has it.
    Package(&'static str),
    File(PathBuf),
}

/// Who a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Root,
    Nobody,
}

impl Program {
    /// The program's file.
    pub fn find(&self) -> Result<PathBuf> {
        let name = self.name;
        match &self.source {
            Source::Package(package) => in_path(name).with_context(|| {
                format!("{name} is not in PATH: run `cargo xtask setup`, or `apt-get install {package}`")
            }),
            Source::File(path) => {
                ensure!(path.is_file(), "{} is no file: name the program of {name}", path.display());
                Ok(path.clone())
            }
        }
    }
}

/// Where in PATH a program is.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut paths = env::split_paths(&folders).map(|folder| folder.join(name));
    paths.find(|path| path.is_file())
}
