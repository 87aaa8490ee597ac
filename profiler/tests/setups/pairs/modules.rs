//! What a link needs that is no part of the kernel, on a machine without `modprobe`.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd as _,
    path::Path,
};

/// Where a virtual machine has them, below the version of its kernel.
const FOLDER: &str = "/modules";
/// What is needed by others comes before them.
const MODULES: [&str; 5] = ["llc", "stp", "bridge", "veth", "sch_tbf"];
/// `MODULE_INIT_COMPRESSED_FILE`
const COMPRESSED: libc::c_int = 4;

/// Nothing to do where the machine has none of its own.
pub fn load() {
    for folder in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        for name in MODULES {
            load_one(&folder.path().join(format!("{name}.ko.xz")));
        }
    }
}

fn load_one(path: &Path) {
    let module = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // SAFETY: an open file, and a text that ends in 0.
    let done = unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), COMPRESSED) };
    let error = io::Error::last_os_error();
    assert!(done == 0 || error.raw_os_error() == Some(libc::EEXIST), "{}: {error}", path.display());
}
