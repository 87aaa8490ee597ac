//! Maps of an object that keeps them: they can be opened as often as there are recordings.

use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{Map, MapData},
};

/// Opens a map once more.
pub fn open(ebpf: &Ebpf, name: &str) -> Result<Map> {
    let data = MapData::from_fd(descriptor(ebpf, name)?).with_context(|| format!("open {name}"))?;
    Ok(Map::from_map_data(data)?)
}

/// Another descriptor of a map.
pub fn descriptor(ebpf: &Ebpf, name: &str) -> Result<OwnedFd> {
    let map = ebpf.map(name).with_context(|| format!("the object has no {name}"))?;
    data(name, map)?.fd().as_fd().try_clone_to_owned().with_context(|| format!("keep {name} open"))
}

/// A map of one of the kinds that the probes have.
pub fn data<'m>(name: &str, map: &'m Map) -> Result<&'m MapData> {
    match map {
        Map::Array(data)
        | Map::PerCpuArray(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::Queue(data)
        | Map::SkStorage(data)
        | Map::StackTraceMap(data) => Ok(data),
        _ => bail!("{name} is a map of a kind that is not known yet"),
    }
}
