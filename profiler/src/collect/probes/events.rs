//! The events that samples come from, opened once and switched on and off by their descriptors: who has given up what it
//! takes to open them can still do that.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::Arc,
};

use anyhow::{Context as _, Error, Result};
use aya::{programs::PerfEvent, util::online_cpus};

use super::links::SAMPLE_INTERVAL_NS;

/// `PERF_EVENT_IOC_ENABLE`, `PERF_EVENT_IOC_DISABLE`, and `PERF_EVENT_IOC_SET_BPF` with the type of its argument.
pub const ENABLE: libc::c_ulong = 0x2400;
pub const DISABLE: libc::c_ulong = 0x2401;
const SET_BPF: libc::c_ulong = 0x4004_2408;

/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXECUTION: libc::c_ulong = 8;

/// One of each CPU that is online, all off.
#[derive(Clone)]
pub struct Events(Arc<Vec<OwnedFd>>);

/// They are on as long as it is there.
pub struct AreOn(Events);

impl Events {
    /// Opens them, for a program that is loaded.
    ///
    /// # Errors
    /// The kernel refuses them, or the program.
    pub fn open(program: &PerfEvent) -> Result<Self> {
        let cpus =
            online_cpus().map_err(|(path, error)| Error::new(error).context(format!("read {path}")))?;
        let program = program.fd()?.as_fd().as_raw_fd();
        let open = |cpu| {
            let event = open(cpu).with_context(|| format!("open a cpu-clock event on CPU {cpu}"))?;
            control(&event, SET_BPF, program as libc::c_ulong)
                .context("give a cpu-clock event its program")?;
            Ok(event)
        };
        Ok(Self(Arc::new(cpus.into_iter().map(open).collect::<Result<_>>()?)))
    }

    /// Switches them on.
    pub fn on(&self) -> Result<AreOn> {
        // What is on already goes off with it where one is refused.
        let on = AreOn(self.clone());
        for event in self.0.iter() {
            control(event, ENABLE, 0).context("switch a cpu-clock event on")?;
        }
        Ok(on)
    }
}

impl Drop for AreOn {
    fn drop(&mut self) {
        for event in self.0.0.iter() {
            // It was on; there is nobody to tell.
            let _ = control(event, DISABLE, 0);
        }
    }
}

fn open(cpu: u32) -> io::Result<OwnedFd> {
    /// `PERF_TYPE_SOFTWARE`, the size of version 0; `PERF_COUNT_SW_CPU_CLOCK`; the interval; `PERF_SAMPLE_RAW`; `disabled`.
    const ATTRIBUTES: [u64; 8] = [1 | 64 << 32, 0, SAMPLE_INTERVAL_NS, 1 << 10, 0, 1, 0, 0];
    // SAFETY: as many bytes as the size says.
    let opened = unsafe {
        libc::syscall(libc::SYS_perf_event_open, ATTRIBUTES.as_ptr(), -1, cpu, -1, CLOSE_ON_EXECUTION)
    };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given it to us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(opened as libc::c_int) })
}

fn control(event: &OwnedFd, request: libc::c_ulong, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: none of these requests takes a pointer.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request, argument) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
