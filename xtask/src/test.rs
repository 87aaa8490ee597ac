//! `cargo xtask test`: every test of the workspace, those that load the probes included.
//!
//! All in the dev profile: its dependencies are compiled once, for xtask, for the tests and for the daemon that the
//! kernel tests start, while a release build of the same would double the time on a fresh clone. The probes are
//! optimized in either profile, because the verifier needs them so.

use std::{process::Command, slice};

use anyhow::Result;

use crate::{
    again, command, guest, pairs, pure,
    setup::{self, Tell},
    steps::step,
    workspace,
};

/// The integration tests that load the real probes: against the test itself, and against programs whose bottleneck is
/// known; with the part of CI's budget that each takes.
const PRIVILEGED: [(&str, &str); 2] = [("kernel", "kernel"), ("set-ups", SET_UPS)];
pub const SET_UPS: &str = "setups";
/// How cargo starts the tests of this target.
const RUNNER: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";

/// Set up what is missing, then run every test: those of the kernel also under other kernels, in virtual machines
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test --kernel 6.1 --kernel 6.12
  cargo xtask test --pairs disk disk+beat-3 --keep captures")]
pub struct Args {
    /// Run only the kernel tests, or the pairs that are named, under this kernel of the distribution, in a virtual machine;
    /// `all` for each
    #[arg(long = "kernel", value_name = "VERSION", value_parser = versions())]
    kernels: Vec<String>,
    #[command(flatten)]
    pairs: pairs::Pairs,
}

/// What `--kernel` accepts.
fn versions() -> clap::builder::PossibleValuesParser {
    guest::VERSIONS.into_iter().chain(["all"]).into()
}

pub fn test(args: &Args) -> Result<()> {
    pairs::check(&chosen(&args.kernels), &args.pairs)?;
    step("build", "set-up, where something is missing", || setup::setup(Tell::Changes))?;
    match (&chosen(&args.kernels)[..], args.pairs.are_asked_for()) {
        ([], true) => return pairs::test(&args.pairs),
        (kernels, true) => return pairs::under(kernels, &args.pairs),
        ([], false) => {}
        (kernels, false) => return under(kernels),
    }
    step("build", "set-up of a browser", || setup::browser(Tell::Changes))?;
    let targets = workspace::integration_tests(&workspace::metadata()?);
    // First everything is compiled, so that both cores have work until the last link.
    step("build", "compile the tests", || command::run(cargo_test().args(["--workspace", "--no-run"])))?;
    step("checks", "tests that need no privileges", || command::run(cargo_test().args(anywhere(&targets))))?;
    step("checks", "capture and analysis as an ordinary user", pure::test)?;
    step("checks", "examples of documentation", || {
        command::run(cargo_test().args(["--workspace", "--doc"]))
    })?;
    for (part, target) in
        PRIVILEGED.into_iter().filter(|(_, name)| targets.iter().any(|target| target == name))
    {
        step(part, &format!("{target} tests"), || privileged_tests(part, target))?;
    }
    step("set-ups", "a third of the pairs", pairs::third)?;
    under(&guest::VERSIONS)
}

fn under(kernels: &[&'static str]) -> Result<()> {
    step("guests", &format!("kernel tests under {}", kernels.join(" and ")), || guest::test(kernels))
}

/// Each version once.
fn chosen(typed: &[String]) -> Vec<&'static str> {
    let is_typed = |version: &str| typed.iter().any(|typed| typed == version || typed == "all");
    guest::VERSIONS.into_iter().filter(|version| is_typed(version)).collect()
}

fn cargo_test() -> Command {
    let mut cargo = command::cargo();
    cargo.arg("test").current_dir(workspace::root());
    cargo
}

/// The tests that need no privileges. cargo can name test targets but not leave one out.
fn anywhere(targets: &[String]) -> Vec<String> {
    let named = targets.iter().filter(|target| !PRIVILEGED.iter().any(|(_, name)| name == target));
    let named = named.flat_map(|target| ["--test".into(), target.clone()]);
    ["--workspace", "--lib", "--bins"].map(String::from).into_iter().chain(named).collect()
}

fn privileged_tests(part: &str, target: &str) -> Result<()> {
    let (done, printed) = command::run_and_keep(&mut privileged_test(target));
    let Err(first) = done else { return Ok(()) };
    let passed = again::again(again::failed(&printed), first, |names| {
        // Not each harness takes several names.
        names
            .iter()
            .try_for_each(|name| command::run(privileged(target).args(again::only(slice::from_ref(name)))))
    })?;
    again::noted(part, target, &passed)
}

/// One thread, because the probes see the whole machine.
fn privileged_test(target: &str) -> Command {
    let mut cargo = privileged(target);
    cargo.arg("--test-threads=1");
    cargo
}

/// Runs a test target as root, because the probes must be loaded; its arguments are to follow. Where there is neither
/// root nor `sudo` the tests themselves say what is missing, and fail.
pub fn privileged(target: &str) -> Command {
    let mut cargo = cargo_test();
    cargo.args(["--package", "profiler", "--test", target, "--"]);
    if !command::is_root() && command::find("sudo").is_some() {
        cargo.env(RUNNER, "sudo -E");
    }
    cargo
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn kernel_tests_are_left_out_where_no_privileges_are_needed() {
        let targets = ["replay", "kernel", "setups", "cli"].map(String::from);
        assert_eq!(anywhere(&targets).join(" "), "--workspace --lib --bins --test replay --test cli");
        assert_eq!(anywhere(&[]).join(" "), "--workspace --lib --bins");
    }

    #[test]
    fn kernels_are_chosen_once() {
        let check = |typed: &[&str], expected: &[&str]| {
            assert_eq!(chosen(&typed.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()), expected);
        };
        check(&["6.12"], &["6.12"]);
        check(&["6.12", "6.1", "6.12"], &["6.1", "6.12"]);
        check(&["6.1", "all"], &["6.1", "6.12"]);
    }

    #[test]
    fn pairs_under_a_kernel_take_the_options_that_say_something_there() {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            args: Args,
        }
        let refused = |typed: &str| {
            let typed = Typed::try_parse_from(["test"].into_iter().chain(typed.split(' ')));
            let checked = typed.map_err(|error| error.to_string()).and_then(|Typed { args }| {
                pairs::check(&chosen(&args.kernels), &args.pairs).map_err(|error| error.to_string())
            });
            checked.err().map(|message| message.lines().next().unwrap_or_default().to_owned())
        };
        let check = |typed: &str, with: &str| {
            let message = refused(typed).unwrap_or_else(|| panic!("{typed} is accepted"));
            assert!(message.contains("--kernel") && message.contains(with), "{message}");
        };
        check("--kernel 6.12 --pairs disk --replay captures", "--replay");
        check("--kernel 6.12 --pairs disk --busy-host", "--busy-host");
        check("--kernel 6.1 --kernel 6.12 --pairs disk --results table", "6.1 and 6.12");
        check("--kernel all --pairs disk --results table", "--results");
        for accepted in [
            "--kernel all --pairs disk --keep captures",
            "--kernel 6.12 --pairs disk --results table --repetitions 2",
            "--pairs disk --replay captures --results table",
        ] {
            assert_eq!(refused(accepted), None, "{accepted}");
        }
    }

    #[test]
    fn kernel_tests_run_one_at_a_time() {
        assert!(command::line(&privileged_test("kernel")).ends_with("--test kernel -- --test-threads=1"));
    }
}
