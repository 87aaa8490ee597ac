//! Other programs: found, asked and run, with errors that show the command line.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// Runs `command` after showing it; its output goes to the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("+ {line}");
    let status = command.status().with_context(|| format!("start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// The same, with its standard output here too, whatever becomes of it; others' bytes that are no text are replaced.
pub fn run_and_keep(command: &mut Command) -> (Result<()>, String) {
    let mut kept = Vec::new();
    let done = keep(command, &mut kept);
    (done, String::from_utf8_lossy(&kept).into_owned())
}

fn keep(command: &mut Command, kept: &mut Vec<u8>) -> Result<()> {
    let line = line(command);
    eprintln!("+ {line}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("start `{line}`"))?;
    let mut output = child.stdout.take().context("it has a standard output")?;
    let mut chunk = [0; 4096];
    loop {
        let length = output.read(&mut chunk).with_context(|| format!("read what `{line}` prints"))?;
        if length == 0 {
            break;
        }
        io::stdout().write_all(&chunk[..length]).and_then(|()| io::stdout().flush())?;
        kept.extend_from_slice(&chunk[..length]);
    }
    let status = child.wait().with_context(|| format!("wait for `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// What `command` prints, or nothing if it cannot be run or fails: the answer to "is it there?".
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where the shell would find `program`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

/// The same for root, whose programs need not be on a user's path.
pub fn find_for_root(program: &str) -> Option<PathBuf> {
    let more = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    find(program).or_else(|| more.into_iter().find(|file| is_executable(file)))
}

/// The cargo that runs this xtask.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

pub fn is_root() -> bool {
    // The owner of this folder is the effective user, which spares an unsafe call of `geteuid`.
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// The command line as a person would type it.
pub fn line(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let set = set.map(|(name, value)| format!("{}={}", name.display(), quoted(&value.to_string_lossy())));
    let words = [command.get_program()].into_iter().chain(command.get_args());
    set.chain(words.map(|word| quoted(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{word}'") }
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("cargo");
        command.args(["test", "--", "a b"]).env("RUNNER", "sudo -E").env_remove("HOME");
        assert_eq!(line(&command), "RUNNER='sudo -E' cargo test -- 'a b'");
    }

    #[test]
    fn what_a_program_prints_is_kept_though_it_fails() {
        let (done, kept) = run_and_keep(Command::new("sh").args(["-c", "echo one; exit 3"]));
        assert_eq!(kept, "one\n");
        assert!(done.expect_err("it fails").to_string().ends_with("failed: exit status: 3"));
        let (done, kept) = run_and_keep(&mut Command::new("no-such-program"));
        assert_eq!(
            (done.expect_err("none").to_string().as_str(), kept.as_str()),
            ("start `no-such-program`", "")
        );
    }

    #[test]
    fn a_program_is_found_on_the_path_only_if_it_is_one() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program").is_none());
    }

    #[test]
    fn a_program_that_fails_has_no_answer() {
        assert_eq!(ask(Command::new("echo").arg("yes")).as_deref(), Some("yes\n"));
        assert_eq!(ask(&mut Command::new("false")), None);
        assert_eq!(ask(&mut Command::new("no-such-program")), None);
    }
}
