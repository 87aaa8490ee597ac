//! Hash maps of the probes. They are read as a whole, many elements with each system call: to ask for the key of each and
//! then for its value took 40 % of the daemon's CPU beside programs that use a thousand files.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{HashMap, Map, MapData, MapError},
};

use super::Plain;

/// Elements of one call.
const AT_ONCE: usize = 1024;

/// `BPF_MAP_LOOKUP_BATCH`, of hash maps since 5.6.
const LOOKUP_BATCH: libc::c_int = 24;

/// `bpf_attr.batch`
#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

const _: () = assert!(size_of::<Batch>() == 56);

/// A hash map, and what reads it.
pub struct Table<K, V> {
    map: HashMap<MapData, Plain<K>, Plain<V>>,
    fd: OwnedFd,
    capacity: u64,
}

impl<K: abi::Plain, V: abi::Plain> Table<K, V> {
    pub fn open(ebpf: &Ebpf, name: &str) -> Result<Self> {
        let map = super::open(ebpf, name)?;
        let (Map::HashMap(data) | Map::LruHashMap(data)) = &map else { bail!("{name} is no hash map") };
        let fd = data.fd().as_fd().try_clone_to_owned().with_context(|| format!("keep {name} open"))?;
        let capacity = data.info().with_context(|| format!("size of {name}"))?.max_entries().into();
        Ok(Self { map: map.try_into()?, fd, capacity })
    }

    /// How many elements have a place.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Every element. One that is made or removed meanwhile may be there or not; no other is missed.
    pub fn read(&self) -> Result<Vec<(K, V)>> {
        self.read_with(|| Ok(()))
    }

    /// The same; `meanwhile` is done after each thousand.
    pub fn read_with(&self, mut meanwhile: impl FnMut() -> Result<()>) -> Result<Vec<(K, V)>> {
        let mut keys: Vec<K> = Vec::with_capacity(AT_ONCE);
        let mut values: Vec<V> = Vec::with_capacity(AT_ONCE);
        let mut elements = Vec::new();
        // The bucket that comes next.
        let mut bucket: u32 = 0;
        let mut is_first = true;
        loop {
            let mut batch = Batch {
                in_batch: if is_first { 0 } else { &raw const bucket as u64 },
                out_batch: &raw mut bucket as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: AT_ONCE as u32,
                map_fd: self.fd.as_raw_fd() as u32,
                ..Batch::default()
            };
            // SAFETY: the pointers are to a `u32` and to room for `count` elements, whose sizes aya has compared with
            // those of the map.
            let result =
                unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut batch, size_of::<Batch>()) };
            let error = (result != 0).then(io::Error::last_os_error);
            // Behind the last bucket; what was there before it counts.
            let is_last = error.as_ref().is_some_and(|error| error.raw_os_error() == Some(libc::ENOENT));
            if error.is_some() && !is_last {
                // Unlike this call, those for one element take no lock, which may not be had in time (6.15).
                let elements = self.map.iter().map(|element| element.map(|(key, value)| (key.0, value.0)));
                return elements.collect::<Result<_, _>>().context("read a map of the probes");
            }
            // SAFETY: the kernel has filled so many; any bit pattern is valid.
            unsafe {
                keys.set_len(batch.count as usize);
                values.set_len(batch.count as usize);
            }
            elements.extend(keys.drain(..).zip(values.drain(..)));
            if is_last {
                return Ok(elements);
            }
            is_first = false;
            meanwhile()?;
        }
    }

    /// # Errors
    /// The kernel's, of which `KeyNotFound` is one.
    pub fn get(&self, key: &K) -> Result<V, MapError> {
        self.map.get(&Plain(*key), 0).map(|value| value.0)
    }

    /// # Errors
    /// A full map.
    pub fn insert(&mut self, key: K, value: V) -> Result<(), MapError> {
        self.map.insert(Plain(key), Plain(value), 0)
    }

    /// Removes an element that may have been removed already.
    pub fn remove(&mut self, key: &K) -> Result<()> {
        match self.map.remove(&Plain(*key)) {
            Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.context("remove an element of a map"),
        }
    }
}
