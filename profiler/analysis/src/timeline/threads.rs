//! Where threads spent their time.

use std::ops::AddAssign;

use serde::Serialize;

use capture::{ThreadState, ThreadTotals};

/// Thread states over lifetimes, of one thread or of several added up. ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ThreadTime {
    pub threads: u64,
    pub lifetime_ns: u64,
    /// Of the thread itself.
    pub cpu_ns: u64,
    /// Estimates inside `cpu_ns`, from samples; missing without any.
    pub cpu_user_ns: Option<u64>,
    pub cpu_kernel_ns: Option<u64>,
    /// Half the width of the estimates' 95 % confidence interval: 1.96 standard errors of a proportion.
    pub cpu_split_error_ns: Option<u64>,
    pub user_samples: u64,
    pub kernel_samples: u64,
    /// On the CPU, but a softirq or an interrupt ran there.
    pub softirq_ns: u64,
    pub hardirq_ns: u64,
    pub runqueue_ns: u64,
    /// Runnable, and the CPU quota of its cgroup was used up.
    pub throttled_ns: u64,
    pub wait_network_ns: u64,
    pub wait_disk_ns: u64,
    pub wait_lock_ns: u64,
    pub wait_timer_ns: u64,
    /// Asleep until another task woke it.
    pub wait_thread_ns: u64,
    /// Asleep inside direct reclaim, or in another stall that the kernel counts as one of memory.
    pub wait_memory_ns: u64,
    /// Asleep from before the recording, or never woken in it.
    pub wait_idle_ns: u64,
    /// Asleep, and what for is not known.
    pub wait_other_ns: u64,
    /// How far the states' sum is from the lifetime; of several threads, the differences' sizes added up.
    pub difference_ns: u64,
}

/// The states' sum may differ by this part of the lifetime.
const TOLERANCE: u64 = 1000;

impl ThreadTime {
    /// A state that had not ended at the thread's last totals lasts until the capture's end. Of a capture that
    /// was cut short (`None`) nothing is known beyond the thread's last totals, and its lifetime ends there.
    pub fn of(thread: &ThreadTotals, capture_end_ns: Option<u64>) -> Self {
        let end_ns = match thread.state {
            ThreadState::Exited => thread.state_since_ns,
            _ => capture_end_ns.unwrap_or(thread.at_ns),
        };
        let open_ns = end_ns.saturating_sub(thread.state_since_ns);
        let waits = &thread.waits;
        let mut time = Self {
            threads: 1,
            lifetime_ns: end_ns.saturating_sub(thread.since_ns),
            cpu_ns: thread.cpu_ns,
            cpu_user_ns: None,
            cpu_kernel_ns: None,
            cpu_split_error_ns: None,
            user_samples: thread.user_samples.into(),
            kernel_samples: thread.kernel_samples.into(),
            softirq_ns: 0,
            hardirq_ns: 0,
            runqueue_ns: thread.runqueue_ns,
            throttled_ns: thread.throttled_ns,
            wait_network_ns: waits.network_ns,
            wait_disk_ns: waits.disk_ns,
            wait_lock_ns: 0,
            wait_timer_ns: waits.timer_ns,
            wait_thread_ns: waits.thread_ns,
            wait_memory_ns: waits.memory_ns,
            wait_idle_ns: waits.idle_ns,
            wait_other_ns: waits.other_ns + waits.unseen_ns,
            difference_ns: 0,
        };
        match thread.state {
            ThreadState::Cpu => time.cpu_ns += open_ns,
            ThreadState::Runqueue => time.runqueue_ns += open_ns,
            ThreadState::Throttled => time.throttled_ns += open_ns,
            ThreadState::Blocked | ThreadState::Idle => time.wait_idle_ns += open_ns,
            ThreadState::Exited => {}
        }
        // Interrupts of the run that the recording found the thread in count from before it.
        time.softirq_ns = thread.softirq_ns.min(time.cpu_ns);
        time.hardirq_ns = thread.hardirq_ns.min(time.cpu_ns - time.softirq_ns);
        time.cpu_ns -= time.softirq_ns + time.hardirq_ns;
        time.split();
        time.difference_ns = time.states_ns().abs_diff(time.lifetime_ns);
        time
    }

    /// Time asleep until another thread released a lock is no longer time asleep until another thread woke it.
    pub fn set_lock_ns(&mut self, lock_ns: u64) {
        self.wait_lock_ns = lock_ns.min(self.wait_thread_ns);
        self.wait_thread_ns -= self.wait_lock_ns;
    }

    /// Estimates user and kernel time from the samples.
    fn split(&mut self) {
        let samples = self.user_samples + self.kernel_samples;
        if samples == 0 {
            return;
        }
        let user = self.user_samples as f64 / samples as f64;
        let user_ns = (self.cpu_ns as f64 * user).round() as u64;
        let error = share_error(user, samples as f64);
        self.cpu_user_ns = Some(user_ns);
        self.cpu_kernel_ns = Some(self.cpu_ns - user_ns);
        self.cpu_split_error_ns = Some((self.cpu_ns as f64 * error).round() as u64);
    }

    /// With what interrupted it.
    pub fn on_cpu_ns(&self) -> u64 {
        self.cpu_ns + self.softirq_ns + self.hardirq_ns
    }

    pub fn states_ns(&self) -> u64 {
        let device_ns = self.wait_network_ns + self.wait_disk_ns + self.wait_lock_ns + self.wait_timer_ns;
        let asleep_ns =
            device_ns + self.wait_thread_ns + self.wait_memory_ns + self.wait_idle_ns + self.wait_other_ns;
        self.on_cpu_ns() + self.runqueue_ns + self.throttled_ns + asleep_ns
    }

    /// Whether the states sum to the lifetime within 0.1 %.
    pub fn adds_up(&self) -> bool {
        u128::from(self.difference_ns) * u128::from(TOLERANCE) <= u128::from(self.lifetime_ns)
    }
}

/// How far the true share may be from the one that was found in so many samples: to the farther end of the 95 % score
/// interval. Unlike the standard error it is not 0 where few samples all say the same. E. B. Wilson, "Probable Inference, the Law
/// of Succession, and Statistical Inference", JASA 22 (1927).
fn share_error(share: f64, samples: f64) -> f64 {
    const Z: f64 = 1.96;
    let weight = Z * Z / samples;
    let center = (share + weight / 2.0) / (1.0 + weight);
    let half = (weight * (share * (1.0 - share) + weight / 4.0)).sqrt() / (1.0 + weight);
    half + (center - share).abs()
}

impl AddAssign for ThreadTime {
    fn add_assign(&mut self, other: Self) {
        self.threads += other.threads;
        self.lifetime_ns += other.lifetime_ns;
        self.cpu_ns += other.cpu_ns;
        self.user_samples += other.user_samples;
        self.kernel_samples += other.kernel_samples;
        self.softirq_ns += other.softirq_ns;
        self.hardirq_ns += other.hardirq_ns;
        self.runqueue_ns += other.runqueue_ns;
        self.throttled_ns += other.throttled_ns;
        self.wait_network_ns += other.wait_network_ns;
        self.wait_disk_ns += other.wait_disk_ns;
        self.wait_lock_ns += other.wait_lock_ns;
        self.wait_timer_ns += other.wait_timer_ns;
        self.wait_thread_ns += other.wait_thread_ns;
        self.wait_memory_ns += other.wait_memory_ns;
        self.wait_idle_ns += other.wait_idle_ns;
        self.wait_other_ns += other.wait_other_ns;
        self.difference_ns += other.difference_ns;
        self.split();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::{ProcessSerial, Waits};

    /// The thread is known from 1000 to 9000, the capture ends at 10000; totals are cpu, runqueue, blocked, idle.
    #[track_caller]
    fn check(what: &str, totals: [u64; 4], open: (ThreadState, u64), expected: &str) {
        check_time(what, ThreadTime::of(&thread(totals, open), Some(10_000)), expected);
    }

    #[track_caller]
    fn check_time(what: &str, time: ThreadTime, expected: &str) {
        let got = format!(
            "life {} cpu {} runqueue {} idle {} other {} {}",
            time.lifetime_ns,
            time.cpu_ns,
            time.runqueue_ns,
            time.wait_idle_ns,
            time.wait_other_ns,
            if time.adds_up() { "adds up".to_owned() } else { format!("off by {}", time.difference_ns) },
        );
        assert_eq!(got, expected, "{what}");
    }

    fn thread(totals: [u64; 4], open: (ThreadState, u64)) -> ThreadTotals {
        ThreadTotals {
            at_ns: 9_000,
            process: ProcessSerial(1),
            tid: 7,
            start_ns: 500,
            comm: "worker".to_owned(),
            since_ns: 1_000,
            cpu_ns: totals[0],
            runqueue_ns: totals[1],
            throttled_ns: 0,
            softirq_ns: 0,
            hardirq_ns: 0,
            user_samples: 0,
            kernel_samples: 0,
            waits: Waits { other_ns: totals[2], idle_ns: totals[3], ..Waits::default() },
            switches: 0,
            state: open.0,
            state_since_ns: open.1,
            creator_tid: None,
        }
    }

    #[track_caller]
    fn check_split(samples: [u32; 2], expected: &str) {
        let [user_samples, kernel_samples] = samples;
        let totals = ThreadTotals {
            user_samples,
            kernel_samples,
            ..thread([8_000, 0, 0, 0], (ThreadState::Exited, 9_000))
        };
        let time = ThreadTime::of(&totals, None);
        let found = time.cpu_user_ns.zip(time.cpu_split_error_ns);
        let found = found.map_or("unknown".to_owned(), |(user, error)| format!("{user} ± {error}"));
        assert_eq!(found, expected, "{samples:?}");
    }

    #[test]
    fn few_samples_are_not_sure_even_if_all_say_the_same() {
        check_split([0, 0], "unknown");
        check_split([1, 0], "8000 ± 6348");
        check_split([0, 40], "0 ± 701");
        // 1.96 √(0.25/40) = 0.155, less for the weight of what is not known.
        check_split([20, 20], "4000 ± 1184");
        check_split([3_000, 1_000], "6000 ± 109");
    }

    #[test]
    fn states_sum_to_the_lifetime() {
        use ThreadState::{Blocked, Cpu, Exited, Idle, Runqueue};
        check(
            "asleep from before until the end",
            [0, 0, 0, 0],
            (Idle, 1_000),
            "life 9000 cpu 0 runqueue 0 idle 9000 other 0 adds up",
        );
        check(
            "running at the end",
            [100, 200, 300, 400],
            (Cpu, 2_000),
            "life 9000 cpu 8100 runqueue 200 idle 400 other 300 adds up",
        );
        check(
            "runnable at the end",
            [100, 200, 300, 400],
            (Runqueue, 2_000),
            "life 9000 cpu 100 runqueue 8200 idle 400 other 300 adds up",
        );
        check(
            "asleep at the end and never woken",
            [100, 200, 300, 400],
            (Blocked, 2_000),
            "life 9000 cpu 100 runqueue 200 idle 8400 other 300 adds up",
        );
        check(
            "exited",
            [100, 200, 300, 400],
            (Exited, 2_000),
            "life 1000 cpu 100 runqueue 200 idle 400 other 300 adds up",
        );
        check(
            "exactly 0.1 % off",
            [100, 200, 300, 391],
            (Blocked, 2_000),
            "life 9000 cpu 100 runqueue 200 idle 8391 other 300 adds up",
        );
        check(
            "more than 0.1 % off",
            [100, 200, 300, 410],
            (Blocked, 2_000),
            "life 9000 cpu 100 runqueue 200 idle 8410 other 300 off by 10",
        );
    }

    #[test]
    fn a_cut_capture_knows_a_thread_up_to_its_last_totals() {
        let running = thread([100, 200, 300, 400], (ThreadState::Cpu, 2_000));
        let expected = "life 8000 cpu 7100 runqueue 200 idle 400 other 300 adds up";
        check_time("running", ThreadTime::of(&running, None), expected);
    }
}
