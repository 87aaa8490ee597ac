//! Which kernel tests run under other kernels, and whether they did.
//!
//! Bytes, devices, owners, states, causes of waits and the recording itself. Left out are the benchmark, which has
//! programs and networks of its own, and tests of times that emulation stretches: shares of time are asked of native
//! runs only.

/// Modules of the test target, all of whose tests run but for those in [`LEFT_OUT`].
const MODULES: [&str; 9] =
    ["bytes", "disk", "hooks", "owners", "processes", "readers", "spans", "time", "traffic::payload"];

/// Parts of the names of tests that do not run there.
const LEFT_OUT: [&str; 11] = [
    // Needs perl with threads.
    "a_thread_that_executes_a_program",
    // Needs a control group of version 1 with a throttle.
    "throttled",
    // Wait for seconds, or start many programs, each of which costs a second here.
    "many_short_lived_processes",
    "a_file_written_twice",
    "a_command_is_found_by_name",
    // Two of a kind, of which one runs.
    "when_another_target_syncs_them",
    "a_stranger_who_writes",
    // Ask for times that emulation stretches: samples of the CPU, a thread's clock to 5 %, the stack of a nap of some ms,
    // calls within 100 µs.
    "samples_tell_user_from_kernel_mode",
    "cpu_time_agrees_with_the_threads_own_clock",
    "a_nap_is_a_call",
    "traffic_of_datagrams_has_a_destination",
];

/// What the test's executable is called with.
pub fn arguments() -> Vec<String> {
    let modules = MODULES.iter().map(|module| format!("{module}::"));
    modules.chain(LEFT_OUT.iter().flat_map(|name| ["--skip".to_owned(), (*name).to_owned()])).collect()
}

/// Whether the tests ran and passed, by what the console says.
pub fn judge(console: &str) -> Result<(), String> {
    let Some((_, status)) = console.rsplit_once("the tests ended with status ") else {
        return Err("the machine ended before its tests did".to_owned());
    };
    if status.lines().next().map(str::trim) != Some("0") {
        let failed = console.lines().filter(|line| line.starts_with("    ") && line.contains("::"));
        let mut failed: Vec<&str> = failed.map(str::trim).collect();
        failed.dedup();
        return Err(format!("tests failed: {}", failed.join(", ")));
    }
    let ran = |module: &&&str| console.lines().any(|line| line.starts_with(&format!("test {module}::")));
    match MODULES.iter().find(|module| !ran(module)) {
        Some(module) => Err(format!("no test of {module} ran")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(console: &str, expected: Result<(), &str>) {
        assert_eq!(judge(console), expected.map_err(String::from), "{console}");
    }

    #[test]
    fn only_a_run_of_every_module_that_says_so_has_passed() {
        let ran: String = MODULES.iter().map(|module| format!("test {module}::x ... ok\n")).collect();
        check(&format!("{ran}the tests ended with status 0\n"), Ok(()));
        check(&ran, Err("the machine ended before its tests did"));
        check("the tests ended with status 0\n", Err("no test of bytes ran"));
        check(
            &format!("{ran}failures:\n    bytes::x\n\nthe tests ended with status 101\n"),
            Err("tests failed: bytes::x"),
        );
    }
}
