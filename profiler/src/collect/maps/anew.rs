//! Empties the maps of probes that are not attached, so that the next recording finds them as the first one did. By
//! descriptors alone: elements are read, written and removed, and nothing is made.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use memmap2::MmapOptions;

use super::{data, opened::descriptor};

/// What stays: what was told before the probes were loaded; where something stood last, which is compared with what stands
/// there; what lies behind the ends of rings; and what the kernel keeps with each socket, as long as that lives.
const KEPT: [&str; 6] = ["WORKERS", "DROP_REASONS", "LAST_USE", "THREAD_OF", "RING_BLOCKS", "TRAFFIC"];

/// `enum bpf_cmd`
const UPDATE: libc::c_int = 2;
const DELETE: libc::c_int = 3;
const NEXT_KEY: libc::c_int = 4;
const TAKE: libc::c_int = 21;

/// `bpf_attr` of commands for one element.
#[repr(C)]
#[derive(Default)]
struct Element {
    map_fd: u32,
    _pad: u32,
    key: u64,
    /// Of `NEXT_KEY` the next key.
    value: u64,
    flags: u64,
}

const _: () = assert!(size_of::<Element>() == 32);

/// Empties all maps but those that are kept. Queues are empty then, too: whoever has filled them fills them again.
///
/// # Errors
/// One cannot be emptied.
pub fn empty(ebpf: &Ebpf) -> Result<()> {
    for (name, map) in ebpf.maps() {
        // Those of constants begin with a dot.
        if !name.starts_with('.') && !KEPT.contains(&name) {
            let fd = descriptor(ebpf, name)?;
            empty_one(map, data(name, map)?, &fd).with_context(|| format!("empty {name}"))?;
        }
    }
    Ok(())
}

fn empty_one(map: &Map, data: &MapData, fd: &OwnedFd) -> Result<()> {
    let info = data.info()?;
    let (key_bytes, value_bytes) = (info.key_size() as usize, info.value_size() as usize);
    match map {
        Map::Array(_) => zero(fd, info.max_entries() as usize * value_bytes),
        Map::PerCpuArray(_) => zero_per_cpu(fd, info.max_entries(), value_bytes),
        Map::HashMap(_) | Map::LruHashMap(_) | Map::StackTraceMap(_) => remove_all(fd, key_bytes),
        Map::Queue(_) => take_all(fd, value_bytes),
        _ => bail!("a map of a kind that is not emptied yet"),
    }
}

/// Of an array that can be mapped into memory, as all are that change.
fn zero(fd: &OwnedFd, bytes: usize) -> Result<()> {
    let memory = MmapOptions::new().len(bytes).map_raw(fd).context("map it into memory")?;
    // SAFETY: as many bytes as were mapped; nobody else writes there, as no program is attached.
    unsafe { memory.as_mut_ptr().write_bytes(0, bytes) };
    Ok(())
}

fn zero_per_cpu(fd: &OwnedFd, entries: u32, value_bytes: usize) -> Result<()> {
    let cpus = aya::util::nr_cpus().map_err(|(path, error)| anyhow::Error::new(error).context(path))?;
    // Each CPU's value is as long as a multiple of 8.
    let values = vec![0_u64; value_bytes.div_ceil(8) * cpus];
    (0..entries)
        .try_for_each(|index| Ok(call(UPDATE, fd, (&raw const index).cast(), values.as_ptr().cast())?))
}

fn remove_all(fd: &OwnedFd, key_bytes: usize) -> Result<()> {
    let mut keys = Vec::<u8>::new();
    let mut next = vec![0_u8; key_bytes];
    loop {
        let last = keys.len().checked_sub(key_bytes).map_or(std::ptr::null(), |at| keys[at..].as_ptr());
        match call(NEXT_KEY, fd, last.cast(), next.as_mut_ptr().cast_const().cast()) {
            Ok(()) => keys.extend_from_slice(&next),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error).context("read its keys"),
        }
    }
    for key in keys.chunks_exact(key_bytes) {
        match call(DELETE, fd, key.as_ptr().cast(), std::ptr::null()) {
            // Of a map that makes room by itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn take_all(fd: &OwnedFd, value_bytes: usize) -> Result<()> {
    let mut value = vec![0_u8; value_bytes];
    loop {
        match call(TAKE, fd, std::ptr::null(), value.as_mut_ptr().cast_const().cast()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `key` and `value` point to as many bytes as the map says, or are null where the command wants none.
fn call(
    command: libc::c_int,
    fd: &OwnedFd,
    key: *const libc::c_void,
    value: *const libc::c_void,
) -> io::Result<()> {
    let element =
        Element { map_fd: fd.as_raw_fd() as u32, key: key as u64, value: value as u64, ..Element::default() };
    // SAFETY: attributes and their size belong together; what they point to is as long as the map says.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const element, size_of::<Element>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
