//! `cargo xtask test --pairs`: programs with a known answer, with noise and without.

use std::{
    ffi::OsString,
    path::{Path, PathBuf, absolute},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    command, guest, results,
    test::{SET_UPS, privileged},
    workspace,
};

#[derive(clap::Args, Default)]
pub struct Pairs {
    /// Run only these programs with a known answer: `all`, the `third` that CI runs, a program as in `disk`, the same
    /// with a noise as in `disk+beat-3`, or with each as in `disk+`
    #[arg(long = "pairs", value_name = "NAME", num_args = 1..)]
    names: Vec<String>,
    /// How often each is run [default: 3]
    #[arg(long, value_name = "N", requires = "names")]
    repetitions: Option<u32>,
    /// Under another kernel, move only so small a part of the blocks: 4 for a quarter
    #[arg(long, value_name = "N", requires_all = ["names", "kernels"])]
    part: Option<u32>,
    /// Throw no run away because other processes ran
    #[arg(long, requires = "names", conflicts_with = "kernels")]
    busy_host: bool,
    /// Keep captures and logs in this folder
    #[arg(long, value_name = "FOLDER", requires = "names", conflicts_with = "replay")]
    keep: Option<PathBuf>,
    /// Run nothing: compare the captures and the logs that were kept in this folder
    #[arg(long, value_name = "FOLDER", requires = "names", conflicts_with = "kernels")]
    replay: Option<PathBuf>,
    /// Where the table goes too [default, if all are run: results/DATE-pairs]
    #[arg(long, value_name = "FOLDER", requires = "names")]
    results: Option<PathBuf>,
}

impl Pairs {
    pub fn are_asked_for(&self) -> bool {
        !self.names.is_empty()
    }
}

pub fn test(args: &Pairs) -> Result<()> {
    let is_whole = args.names == ["all"] && args.replay.is_none();
    let results = match &args.results {
        Some(folder) => Some(folder.clone()),
        None if is_whole => Some(results::free(results::dated("pairs")?)?),
        None => None,
    };
    run(args, results.as_deref())
}

/// An error where these kernels cannot be asked for with the other options.
pub fn check(kernels: &[&str], args: &Pairs) -> Result<()> {
    ensure!(
        kernels.len() < 2 || args.results.is_none(),
        "--results takes the table of one kernel, and --kernel names {}",
        kernels.join(" and ")
    );
    Ok(())
}

/// Records the pairs under other kernels, and replays here what was recorded there.
pub fn under(kernels: &[&str], args: &Pairs) -> Result<()> {
    let folder = args.keep.clone().unwrap_or(workspace::target_dir(&workspace::metadata()?)?.join("virtual"));
    for kernel in kernels {
        let mut there: Vec<String> = vec!["pairs".to_owned()];
        there.extend(args.names.iter().cloned());
        let repetitions = args.repetitions.unwrap_or(1).to_string();
        // What the programs did there, their own logs say; and those whether a run counts.
        there.extend(
            ["--only-record", "--emulated", "--repetitions", &repetitions, "--keep", guest::KEPT]
                .map(str::to_owned),
        );
        let kept = absolute(folder.join(kernel)).context("find the folder")?;
        there.extend(args.part.iter().flat_map(|part| ["--part".to_owned(), part.to_string()]));
        guest::record_pairs(kernel, &there, &kept)?;
        let replayed = kept.join(Path::new(guest::KEPT).file_name().context("a folder")?);
        let here = Pairs { names: args.names.clone(), replay: Some(replayed), ..Pairs::default() };
        run(&here, args.results.as_deref())?;
    }
    Ok(())
}

/// What CI runs.
pub fn third() -> Result<()> {
    run(&Pairs { names: vec!["third".to_owned()], ..Pairs::default() }, None)
}

fn run(args: &Pairs, results: Option<&Path>) -> Result<()> {
    command::run(privileged(SET_UPS).args(arguments(args, results)?))
}

/// Of the test's binary, which runs in another folder.
fn arguments(args: &Pairs, results: Option<&Path>) -> Result<Vec<OsString>> {
    let mut arguments: Vec<OsString> = vec!["pairs".into()];
    arguments.extend(args.names.iter().map(OsString::from));
    arguments.extend(["--commit".into(), results::commit().into()]);
    if let Some(repetitions) = args.repetitions {
        arguments.extend(["--repetitions".into(), repetitions.to_string().into()]);
    }
    if args.busy_host {
        arguments.push("--busy-host".into());
    }
    let folders =
        [("--keep", args.keep.as_deref()), ("--replay", args.replay.as_deref()), ("--results", results)];
    for (option, folder) in folders {
        let Some(folder) = folder else { continue };
        let folder = absolute(folder).with_context(|| format!("find {}", folder.display()))?;
        arguments.extend([option.into(), folder.into()]);
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_those_of_the_caller() {
        let args = Pairs {
            names: vec!["disk".to_owned(), "disk+beat-3".to_owned()],
            repetitions: Some(1),
            replay: Some("captures".into()),
            ..Pairs::default()
        };
        let mut arguments = arguments(&args, None).expect("arguments");
        let folder = PathBuf::from(arguments.pop().expect("a folder"));
        assert!(folder.is_absolute() && folder.ends_with("captures"));
        let arguments = arguments.join(" ".as_ref()).into_string().expect("text");
        assert!(arguments.starts_with("pairs disk disk+beat-3 --commit "), "{arguments}");
        assert!(arguments.ends_with(" --repetitions 1 --replay"), "{arguments}");
    }
}
