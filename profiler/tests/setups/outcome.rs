//! What came out of a set-up: the programs' logs, and the parts of the JSON report that are about them.

use std::collections::BTreeMap;

use analysis::milestones::FIRST_BYTE_BYTES;
use serde_json::Value;

use crate::{
    expect::{Reported, Shares, check_cpu, check_wait, disturbed},
    log::State,
    truth::{Truth, Waits, Window},
};

pub struct Outcome {
    report: Value,
    truths: BTreeMap<&'static str, Truth>,
    requested_ns: BTreeMap<&'static str, u64>,
}

/// How far a milestone may lie from the program's own log.
const MILESTONE_NS: i64 = 1_000_000;

impl Outcome {
    pub fn new(
        report: Value,
        truths: BTreeMap<&'static str, Truth>,
        requested_ns: BTreeMap<&'static str, u64>,
    ) -> Self {
        Self { report, truths, requested_ns }
    }

    pub fn truth(&self, name: &str) -> &Truth {
        &self.truths[name]
    }

    /// Between two kernel milestones of a program's transfer.
    pub fn window(&self, name: &str, from: &str, to: &str) -> Window {
        let since_ns = self.requested_ns[name];
        let at_ns = |milestone: &str| {
            let kernel_s = self.milestone(name, milestone)["kernel_s"].as_f64();
            since_ns + (kernel_s.unwrap_or_else(|| panic!("{name} has no {milestone}")) * 1e9) as u64
        };
        Window { from_ns: at_ns(from), to_ns: at_ns(to) }
    }

    /// The shares of the phase that ends with a milestone.
    pub fn phase(&self, name: &str, to: &str) -> Shares<'_> {
        let phase = rows(&self.transfer(name)["phases"]).iter().find(|phase| phase["to"] == to);
        Shares::of(format!("{name} to {to}"), phase.unwrap_or_else(|| panic!("{name} has no phase to {to}")))
    }

    /// The shares of the active path of a process's first thread.
    pub fn path(&self, name: &str) -> Shares<'_> {
        Shares::of(format!("the path of {name}"), &self.process(name)["path"])
    }

    /// A state of a program's threads together, as a part of the time that its own log covers.
    pub fn state(&self, name: &str, state: &str) -> f64 {
        self.part_of_log(name, &self.process(name)["time"], state)
    }

    /// A state of waiting.
    #[track_caller]
    pub fn check_wait(&self, name: &str, state: &str, own: Waits) {
        check_wait(&format!("{state} of {name}"), &reported(state, |state| self.state(name, state)), own);
    }

    /// Its CPU time.
    #[track_caller]
    pub fn check_cpu(&self, name: &str) {
        let truth = self.truth(name);
        check_cpu(&format!("CPU of {name}"), self.state(name, "cpu"), truth.cpu(truth.whole()));
    }

    /// A state of waiting of the thread of a name.
    #[track_caller]
    pub fn check_threads_wait(&self, name: &str, comm: &str, state: &str, own: Waits) {
        let reported = reported(state, |state| self.thread_state(name, comm, state));
        check_wait(&format!("{state} of {comm}"), &reported, own);
    }

    fn thread_state(&self, name: &str, comm: &str, state: &str) -> f64 {
        let mut threads = rows(&self.process(name)["threads"]).iter();
        let thread = threads.find(|thread| thread["comm"] == comm);
        let thread = thread.unwrap_or_else(|| panic!("{name} has no thread {comm}"));
        self.part_of_log(name, &thread["time"], state)
    }

    fn part_of_log(&self, name: &str, time: &Value, state: &str) -> f64 {
        let ns = time[format!("{state}_ns")].as_u64().unwrap_or_else(|| panic!("no {state}_ns in {time}"));
        ns as f64 / self.truth(name).whole().ns() as f64
    }

    /// The kernel's milestones lie where the program's own log has them. `state` is what moved the payload.
    /// Unwinds as a disturbed set-up if they lie before it.
    #[track_caller]
    pub fn check_milestones(&self, name: &str, state: State) {
        let truth = self.truth(name);
        let bytes = truth.moved_bytes(state);
        assert_eq!(self.transfer(name)["throughput"]["final_bytes"], bytes, "{name}");
        let part = |percent: u64| (bytes * percent).div_ceil(100);
        let milestones = [
            ("first_byte", FIRST_BYTE_BYTES.min(bytes / 2)),
            ("p50", part(50)),
            ("p90", part(90)),
            ("p100", bytes),
        ];
        for (milestone, bytes) in milestones {
            let found = self.milestone(name, milestone);
            let ns = |field: &str| (found[field].as_f64().expect("a kernel milestone") * 1e9) as i64;
            let call = truth.reaching(state, bytes);
            let since_request = |at_ns: u64| (at_ns - self.requested_ns[name]) as i64;
            // The report says by how much it may be too late.
            let late_ns = ns("kernel_s") - ns("kernel_resolution_s") - since_request(call.to_ns);
            assert!(late_ns <= MILESTONE_NS, "{name}: {milestone} is {} µs too late", late_ns / 1000);
            // A receive that blocks ends with the bytes. A send has taken them somewhere within the call: it wakes the
            // receiver, which may take its CPU.
            let earliest_ns = if state == State::Send { call.from_ns } else { call.to_ns };
            let early_ns = since_request(earliest_ns) - ns("kernel_s");
            if early_ns > MILESTONE_NS {
                // Or the program was kept from writing its log.
                disturbed(format!("{name}: {milestone} is {} µs before its own log's", early_ns / 1000));
            }
        }
    }

    pub fn process(&self, name: &str) -> &Value {
        let pid = self.truth(name).pid;
        let process = rows(&self.report["processes"]).iter().find(|process| process["pid"] == pid);
        process.unwrap_or_else(|| panic!("{name} is not in the report"))
    }

    fn transfer(&self, name: &str) -> &Value {
        let transfer = rows(&self.report["transfers"]).iter().find(|transfer| transfer["label"] == name);
        transfer.unwrap_or_else(|| panic!("the transfer of {name} is not in the report"))
    }

    fn milestone(&self, name: &str, milestone: &str) -> &Value {
        let found = rows(&self.transfer(name)["milestones"]).iter().find(|found| found["name"] == milestone);
        found.unwrap_or_else(|| panic!("{name} has no {milestone}"))
    }
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn reported(state: &str, part: impl Fn(&str) -> f64) -> Reported {
    let cpu_wait = if state == "runqueue" { 0.0 } else { part("runqueue") };
    Reported { wait: part(state), cpu: part("cpu"), cpu_wait, other: part("wait_other") }
}
