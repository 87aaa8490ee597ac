//! Programs of others that the benchmark needs, and where they come from.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// A program that must be installed.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    pub user: User,
}

/// Who a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Root,
    Nobody,
}

impl Program {
    /// Where in PATH the program is.
    pub fn find(&self) -> Result<PathBuf> {
        let Self { name, package, .. } = self;
        let folders = env::var_os("PATH").unwrap_or_default();
        let mut paths = env::split_paths(&folders).map(|folder| folder.join(name));
        paths.find(|path| path.is_file()).with_context(|| {
            format!("{name} is not in PATH: run `cargo xtask setup`, or `apt-get install {package}`")
        })
    }
}
