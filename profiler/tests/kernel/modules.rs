//! Modules of the virtual kernels, which lie in their initial file system: see `xtask/src/guest/`.

use std::{ffi::c_int, fs::File, io, os::fd::AsRawFd as _, path::PathBuf};

/// Loads modules that are there; what is not is part of the kernel.
pub fn load(names: &[&str]) {
    /// `MODULE_INIT_COMPRESSED_FILE`
    const COMPRESSED: c_int = 4;
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let version: Vec<&str> = release.split('.').take(2).collect();
    for name in names {
        let plain = PathBuf::from(format!("/modules/{}/{name}.ko", version.join(".")));
        let packed = plain.with_extension("ko.xz");
        let (path, flags) = if plain.exists() { (plain, 0) } else { (packed, COMPRESSED) };
        let Ok(module) = File::open(&path) else { continue };
        // SAFETY: an open file, and a text that ends in 0.
        let done = unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), flags) };
        let error = io::Error::last_os_error();
        assert!(done == 0 || error.raw_os_error() == Some(libc::EEXIST), "{}: {error}", path.display());
    }
}
