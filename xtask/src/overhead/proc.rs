//! What the kernel says of processes, and of the whole machine.

use std::{fs, io};

use anyhow::{Context as _, Result};

/// Kernel ticks per second in /proc/stat (USER_HZ), the same on every architecture but Alpha.
const TICKS_PER_S: f64 = 100.0;

/// CPU time of everything so far: user, system and interrupts, of all CPUs.
pub fn machine_cpu_s() -> Result<f64> {
    busy_s(&fs::read_to_string("/proc/stat").context("read /proc/stat")?)
        .context("/proc/stat has no `cpu` line")
}

/// CPU time so far of a running process and its children that run, thread by thread, in nanoseconds' resolution.
pub fn process_cpu_s(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let run_ns = |task: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(run_ns).sum::<u64>() as f64 / 1e9
}

/// The clock of a process's CPU time, exact to the ns also while it runs.
pub struct CpuClock(libc::clockid_t);

impl CpuClock {
    pub fn of(pid: u32) -> Result<Self> {
        let mut clock = 0;
        // SAFETY: a place of its type.
        match unsafe { libc::clock_getcpuclockid(pid as i32, &raw mut clock) } {
            0 => Ok(Self(clock)),
            error => Err(io::Error::from_raw_os_error(error)).context("find a process's CPU clock"),
        }
    }

    /// CPU time so far.
    pub fn s(&self) -> Result<f64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a place of its type.
        if unsafe { libc::clock_gettime(self.0, &raw mut time) } != 0 {
            return Err(io::Error::last_os_error()).context("read a process's CPU clock: has it ended?");
        }
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }
}

/// Anonymous memory of a process now; 0 once it has ended.
pub fn anon_bytes(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .map_or(0, |status| status_kib(&status, "RssAnon:") * 1024)
}

/// Memory of BPF maps that a process holds, as the kernel accounts for it; it is no part of the process's own.
pub fn map_bytes(pid: u32) -> u64 {
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let of_map = |file: fs::DirEntry| -> Option<(u64, u64)> {
        let info = fs::read_to_string(file.path()).ok()?;
        Some((field(&info, "map_id:")?, field(&info, "memlock:")?))
    };
    let mut maps: Vec<(u64, u64)> = files.filter_map(of_map).collect();
    maps.sort_unstable();
    maps.dedup();
    maps.into_iter().map(|(_, bytes)| bytes).sum()
}

/// How many descriptors a process has on things that watch: perf events, BPF links.
pub fn watching(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let is_watch = |file: &fs::DirEntry| {
        fs::read_link(file.path()).is_ok_and(|target| {
            let target = target.to_string_lossy().into_owned();
            target.contains("perf_event") || target.contains("bpf_link") || target.contains("bpf-link")
        })
    };
    files.filter(is_watch).count()
}

/// Runs and nanoseconds of the BPF programs that a process holds.
pub fn program_runs(pid: u32) -> (u64, u64) {
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let runs = files.filter_map(|file| {
        let info = fs::read_to_string(file.path()).ok()?;
        Some((field(&info, "run_cnt:")?, field(&info, "run_time_ns:")?))
    });
    runs.fold((0, 0), |(runs, ns), (more, longer)| (runs + more, ns + longer))
}

fn busy_s(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system (idle iowait) irq softirq; stolen time is the host's, guests' time is in user already.
    let busy = [0, 1, 2, 5, 6].iter().map(|&index| fields.get(index).copied()).sum::<Option<u64>>()?;
    Some(busy as f64 / TICKS_PER_S)
}

fn status_kib(status: &str, name: &str) -> u64 {
    field(status, name).unwrap_or(0)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn idle_and_stolen_time_is_not_busy() {
        let stat = "cpu  100 20 300 5000 600 7 8 900 50 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_s(stat), Some(4.35));
        assert_eq!(busy_s("intr 5\n"), None);
    }

    #[test]
    fn fields_are_read_with_their_unit() {
        let status = "Name:\tprofiler\nRssAnon:\t    1500 kB\nRssFile:\t 9 kB\n";
        assert_eq!(status_kib(status, "RssAnon:"), 1500);
        assert_eq!(status_kib(status, "RssShmem:"), 0);
        assert_eq!(field("prog_type:\t5\nrun_cnt:\t77\n", "run_cnt:"), Some(77));
    }

    #[test]
    fn this_process_uses_cpu_and_memory_and_watches_nothing() {
        let me = process::id();
        assert!(process_cpu_s(me) > 0.0);
        let clock = CpuClock::of(me).expect("a clock");
        assert!(clock.s().expect("a time") > 0.0);
        assert!(anon_bytes(me) > 0);
        assert_eq!((watching(me), map_bytes(me), program_runs(me)), (0, 0, (0, 0)));
        assert!(machine_cpu_s().expect("a number") > 0.0);
    }
}
