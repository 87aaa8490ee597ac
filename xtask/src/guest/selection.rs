//! Which kernel tests run under other kernels, and whether they did.
//!
//! Every way to move payload, devices, owners, states, causes of waits and the recording itself. The rest is left out by
//! name with its reason: what needs programs that a machine does not have, times that emulation stretches (shares of time
//! are asked of native runs only), and what takes more time there than it tells.

use crate::again;

/// Modules of the test target, all of whose tests run but for those in [`LEFT_OUT_TESTS`].
const MODULES: [&str; 18] = [
    "bytes",
    "calls",
    "counters",
    "disk",
    "file_ways",
    "hooks",
    "memory",
    "netem",
    "owners",
    "processes",
    "readers",
    "reconnects",
    "spans",
    "stacked",
    "streams",
    "time",
    "timers",
    "traffic::payload",
];

/// The target's other modules that have tests.
const LEFT_OUT_MODULES: [(&str, &str); 26] = [
    ("bench", "needs the benchmark's programs and networks"),
    ("capabilities", "starts the profiler half a dozen times for what the command says"),
    ("cost", "asks for times of datagrams, which emulation stretches"),
    ("daemon", "needs bash and a name for a program; what it counts by is that of `bytes`"),
    ("deluge", "needs the benchmark's programs and networks"),
    ("described", "needs the benchmark's programs and networks"),
    ("devices", "needs loop devices and zram, which these kernels have as modules"),
    ("drops", "not tried here: 6.1 has neither sizes nor senders of dropped datagrams"),
    ("faults", "starts the profiler a dozen times for what the command says"),
    ("file_rings", "not tried here: eight recordings of files; `disk` and `owners` run"),
    ("first_threads", "needs mounted control groups of version 1, and descriptors of threads (6.9)"),
    ("fuse", "needs FUSE, which these kernels have as a module"),
    ("groups", "needs perl and mounted control groups of both versions"),
    ("held", "asks for shares of time"),
    ("limits", "asks for a part of a CPU's time, which emulation stretches"),
    ("losses", "asks for 50,000 context switches a second"),
    ("matrix", "needs the benchmark's programs and networks"),
    ("pcap", "needs the benchmark's programs and networks"),
    ("storms", "needs perl, and thousands of processes and threads"),
    ("threads", "not tried here: two thousand threads for an id, and more threads than there are places"),
    ("traffic::arrival", "asks for times that emulation stretches"),
    ("traffic::send_queue", "asks for shares of time"),
    ("verify", "not tried here: transfers of 12 MB beside a packet capture"),
    ("cross_checks", "not tried here: compares times on the CPU"),
    ("wakes", "asks for shares of time"),
    ("xfs", "needs mkfs.xfs and loop devices"),
];

/// Parts of the names of tests that do not run there.
const LEFT_OUT_TESTS: [(&str, &str); 16] = [
    ("a_thread_that_executes_a_program", "needs perl with threads"),
    ("what_a_leader_read_before", "needs perl with threads"),
    ("throttled", "needs a control group of version 1 with a throttle"),
    ("many_short_lived_processes", "starts many programs, each of which costs a second here"),
    ("a_command_is_found_by_name", "starts many programs, each of which costs a second here"),
    ("a_file_written_twice", "waits for seconds"),
    (
        "ten_thousand_short_connections",
        "too many for emulation; on 6.1 closes were missing, and why is not known",
    ),
    ("when_another_target_syncs_them", "one of its kind runs"),
    ("a_stranger_who_writes", "one of its kind runs"),
    ("samples_tell_user_from_kernel_mode", "asks for samples of the CPU, which emulation stretches"),
    ("cpu_time_agrees_with_the_threads_own_clock", "asks for a thread's clock to 5 %"),
    ("a_call_that_sleeps_tells_until_when", "asks for calls within 100 µs"),
    ("a_send_that_waited_for_room", "no send waits where the reader is faster than the writer"),
    ("a_nap_is_a_call", "asks for the stack of a nap of some ms"),
    ("traffic_of_datagrams_has_a_destination", "asks for calls within 100 µs"),
    ("traffic_of_a_loop_that_answers_shares_records", "asks for calls within 100 µs"),
];

/// The names of what does not run there, each with the reason.
pub fn left_out() -> impl Iterator<Item = (&'static str, &'static str)> {
    LEFT_OUT_MODULES.into_iter().chain(LEFT_OUT_TESTS)
}

/// The same, for these tests alone.
pub fn arguments_of(names: &[String]) -> Vec<String> {
    again::only(names).chain(["--include-ignored"]).map(String::from).collect()
}

/// What the test's executable is called with.
pub fn arguments() -> Vec<String> {
    let modules = MODULES.iter().map(|module| format!("{module}::"));
    // Ignored are those that need what only these machines have.
    ["--test-threads=1", "--include-ignored"]
        .into_iter()
        .map(String::from)
        .chain(modules)
        .chain(LEFT_OUT_TESTS.iter().flat_map(|(name, _)| ["--skip".to_owned(), (*name).to_owned()]))
        .collect()
}

/// Whether the tests ran and passed, by what the console says.
pub fn judge(console: &str) -> Result<(), String> {
    passed(console)?;
    let ran = |module: &&&str| console.lines().any(|line| line.starts_with(&format!("test {module}::")));
    match MODULES.iter().find(|module| !ran(module)) {
        Some(module) => Err(format!("no test of {module} ran")),
        None => Ok(()),
    }
}

/// Whether those that ran passed.
pub fn passed(console: &str) -> Result<(), String> {
    let Some((_, status)) = console.rsplit_once("the tests ended with status ") else {
        return Err("the machine ended before its tests did".to_owned());
    };
    match status.lines().next().map(str::trim) {
        Some("0") => Ok(()),
        _ => Err(format!("tests failed: {}", again::failed(console).join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::workspace;

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
            &format!("{ran}\nfailures:\n    bytes::x\n\nthe tests ended with status 101\n"),
            Err("tests failed: bytes::x"),
        );
    }

    #[test]
    fn every_module_with_tests_is_selected_or_left_out_with_a_reason() {
        let files = files_of_the_target();
        let with_tests: Vec<&str> =
            files.iter().filter(|(_, text)| has_tests(text)).map(|(module, _)| module.as_str()).collect();
        let named: Vec<&str> =
            MODULES.into_iter().chain(LEFT_OUT_MODULES.iter().map(|(module, _)| *module)).collect();
        let covers = |name: &str, module: &str| {
            module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        for module in &with_tests {
            let times = named.iter().filter(|name| covers(name, module)).count();
            assert_eq!(times, 1, "`{module}` is to be selected, or left out with a reason");
        }
        for name in named {
            assert!(with_tests.iter().any(|module| covers(name, module)), "no module `{name}` has tests");
        }
        assert!(left_out().all(|(_, reason)| !reason.is_empty()));
    }

    #[test]
    fn every_test_that_is_left_out_exists_in_a_selected_module() {
        let files = files_of_the_target();
        let selected = |module: &str| MODULES.iter().any(|name| module.starts_with(name));
        let text: String =
            files.iter().filter(|(module, _)| selected(module)).map(|(_, text)| text.as_str()).collect();
        let tests: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("fn ")).collect();
        for (name, _) in LEFT_OUT_TESTS {
            assert!(tests.iter().any(|test| test.contains(name)), "no test has `{name}` in its name");
        }
    }

    /// Path and text of each module of the test target.
    fn files_of_the_target() -> Vec<(String, String)> {
        let mut files = Vec::new();
        collect(&workspace::root().join("profiler/tests/kernel.rs"), "", &mut files);
        files
    }

    fn collect(file: &Path, module: &str, files: &mut Vec<(String, String)>) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut path = None;
        for line in text.lines() {
            if let Some(at) = inside(line, "#[path = \"", "\"]") {
                path = Some(at);
            } else if let Some(name) = inside(line, "mod ", ";") {
                let at = path.take().unwrap_or_else(|| panic!("{}: no path of `{name}`", file.display()));
                let below = if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") };
                collect(&file.parent().expect("a folder").join(at), &below, files);
            }
        }
        if !module.is_empty() {
            files.push((module.to_owned(), text));
        }
    }

    fn inside<'l>(line: &'l str, before: &str, after: &str) -> Option<&'l str> {
        line.strip_prefix(before)?.strip_suffix(after)
    }

    fn has_tests(text: &str) -> bool {
        text.lines().any(|line| line.trim() == "#[test]")
    }
}
