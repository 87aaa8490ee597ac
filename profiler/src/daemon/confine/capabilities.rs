//! Capabilities of the calling thread (`capabilities(7)`).

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};

/// What other users' processes are read by.
const READING: [Capability; 2] = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];

/// Keeps what other users' processes are read by, as far as it is there; gives the names.
pub fn keep_reading() -> Result<Vec<String>> {
    let permitted = caps::read(None, CapSet::Permitted).context("read the capabilities")?;
    let kept: CapsHashSet = READING.into_iter().filter(|capability| permitted.contains(capability)).collect();
    keep(&permitted, &kept)?;
    let names = READING.into_iter().filter(|capability| kept.contains(capability));
    Ok(names.map(|capability| capability.to_string()).collect())
}

/// Keeps none.
pub fn drop_all() -> Result<()> {
    keep(&caps::read(None, CapSet::Permitted).context("read the capabilities")?, &CapsHashSet::new())
}

fn keep(permitted: &CapsHashSet, kept: &CapsHashSet) -> Result<()> {
    caps::clear(None, CapSet::Ambient).context("clear the ambient capabilities")?;
    caps::clear(None, CapSet::Inheritable).context("clear the inheritable capabilities")?;
    // What root's programs would get back as they are executed. Without this capability nothing can be taken out: then no
    // program may be executed, see `calls.rs`.
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::all().into_iter().filter(|capability| !kept.contains(capability)) {
            if caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false) {
                caps::drop(None, CapSet::Bounding, capability)
                    .with_context(|| format!("take {capability} out of the bounding set"))?;
            }
        }
    }
    caps::set(None, CapSet::Effective, kept).context("give up capabilities")?;
    caps::set(None, CapSet::Permitted, kept).context("give up capabilities")
}
