//! Array maps that this process and the probes share: they are read and written without system calls.

use anyhow::{Context as _, Result, bail};
use aya::{Ebpf, maps::Map};
use memmap2::{MmapOptions, MmapRaw};

/// An array map in this process's memory.
pub struct MappedArray {
    memory: MmapRaw,
    element_bytes: usize,
}

impl MappedArray {
    pub fn new(ebpf: &Ebpf, name: &str, element_bytes: usize) -> Result<Self> {
        let Map::Array(map) = super::open(ebpf, name)? else { bail!("{name} is no array") };
        let entries = map.info().with_context(|| format!("size of {name}"))?.max_entries();
        let memory = MmapOptions::new()
            .len(entries as usize * element_bytes)
            .map_raw(&std::os::fd::AsFd::as_fd(map.fd()))
            .with_context(|| format!("map {name} into memory"))?;
        Ok(Self { memory, element_bytes })
    }

    pub fn elements(&self) -> u32 {
        (self.memory.len() / self.element_bytes) as u32
    }

    /// Where an element is; an index outside of the map is a panic that says so.
    pub fn at(&self, index: u32) -> *mut u8 {
        let offset = index as usize * self.element_bytes;
        assert!(offset < self.memory.len(), "element {index} is outside of its map");
        // SAFETY: in bounds.
        unsafe { self.memory.as_mut_ptr().add(offset) }
    }
}

// SAFETY: the mapping is shared with the kernel anyway; this side writes only through `&mut self` or atomics.
unsafe impl Send for MappedArray {}
