//! The capabilities that a recording takes, what each is for, and which of them this process lacks.

use anyhow::{Context as _, Result};
use procfs::process::Process;

/// A capability of the kernel (`capabilities(7)`).
#[derive(Debug)]
pub struct Capability {
    pub name: &'static str,
    bit: u8,
    /// What a recording lacks without it.
    pub without: &'static str,
}

/// With these a recording is whole.
pub const NEEDED: [Capability; 5] = [
    Capability { name: "CAP_BPF", bit: 39, without: "nothing can be recorded" },
    Capability { name: "CAP_PERFMON", bit: 38, without: "nothing can be recorded" },
    Capability { name: "CAP_SYS_PTRACE", bit: 19, without: "processes of other users are refused" },
    Capability { name: "CAP_DAC_READ_SEARCH", bit: 2, without: "processes of other users are refused" },
    // The kernel shows its addresses to all who may profile it, if both are set for that: `kptr_restrict` 0, and
    // `perf_event_paranoid` 1 or less (`kallsyms_show_value`, 4.15).
    Capability {
        name: "CAP_SYSLOG",
        bit: 34,
        without: "what the kernel's threads work on may not be known, and its functions may have no names in stacks",
    },
];

/// It adds to it.
pub const MORE: [Capability; 1] = [Capability {
    name: "CAP_SYS_ADMIN",
    bit: SYS_ADMIN,
    without: "what the probes cost is not known, and functions of programs have no names in stacks",
}];

/// What other users' processes are read by.
const READING: [&str; 2] = ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"];

/// Contains CAP_BPF and CAP_PERFMON.
const SYS_ADMIN: u8 = 21;

/// How to get them, for messages: what comes after "run it".
pub const WAY_OUT: &str = "as root (`sudo profiler …`, or `cargo xtask run -- …`), or give it CAP_BPF, CAP_PERFMON, \
                           CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYSLOG; CAP_SYS_ADMIN adds to it (`profiler doctor` \
                           says what)";

/// What this process lacks of `wanted`.
///
/// # Errors
/// `/proc/self/status` cannot be read.
pub fn lacking(wanted: &'static [Capability]) -> Result<Vec<&'static Capability>> {
    let effective = Process::myself().and_then(|me| me.status()).context("read /proc/self/status")?.capeff;
    Ok(wanted.iter().filter(|capability| !has(effective, capability)).collect())
}

/// Those that this process lacks of what other users' processes are read by.
///
/// # Errors
/// `/proc/self/status` cannot be read.
pub fn lacking_to_read() -> Result<Vec<&'static str>> {
    let names = lacking(&NEEDED)?.into_iter().map(|capability| capability.name);
    Ok(names.filter(|name| READING.contains(name)).collect())
}

/// Whether an error says that a process must not be read, rather than that it is gone.
pub fn is_refusal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(procfs::ProcError::PermissionDenied(_)))
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    })
}

/// By the kernel's rule: CAP_SYS_ADMIN is what CAP_BPF and CAP_PERFMON were taken out of (5.8).
fn has(effective: u64, capability: &Capability) -> bool {
    let is_set = |bit: u8| effective & 1 << bit != 0;
    is_set(capability.bit) || matches!(capability.name, "CAP_BPF" | "CAP_PERFMON") && is_set(SYS_ADMIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_administration_contains_bpf_and_perfmon_and_nothing_else() {
        let check = |effective: u64, expected: &[&str]| {
            let all = NEEDED.iter().chain(&MORE);
            let names: Vec<_> =
                all.filter(|capability| !has(effective, capability)).map(|found| found.name).collect();
            assert_eq!(names, expected, "{effective:#x}");
        };
        let traced = ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG"];
        check(u64::MAX, &[]);
        check(1 << SYS_ADMIN, &traced);
        check(1 << 39 | 1 << 38, &[&traced[..], &["CAP_SYS_ADMIN"]].concat());
        check(1 << 39 | 1 << 38 | 1 << 19 | 1 << 2, &["CAP_SYSLOG", "CAP_SYS_ADMIN"]);
        check(1 << 39 | 1 << 38 | 1 << 34 | 1 << 19 | 1 << 2, &["CAP_SYS_ADMIN"]);
    }

    #[test]
    fn the_way_out_names_all_of_them() {
        let named = |capability: &Capability| WAY_OUT.contains(capability.name);
        assert!(NEEDED.iter().chain(&MORE).all(named));
    }
}
