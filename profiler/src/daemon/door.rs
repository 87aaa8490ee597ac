//! The collector's only door: a Unix socket. Who may not ask is told so, and nothing of what he wrote is read.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::net::sockopt::socket_peercred;

use super::{
    confine,
    messages::{Answer, LONGEST_REQUEST, Request},
};

/// Who asks has this long for his line, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are answered at one time; more are told to come back.
const AT_ONCE: usize = 16;

/// Makes the socket. One that an earlier collector has left behind is removed; one that is answered at is not.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let shown = path.display();
    match UnixStream::connect(path) {
        Ok(_) => bail!("another collector listens at {shown}: stop it first, or name another socket"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("remove what is left of {shown}"))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("look for a collector at {shown}")),
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| format!("listen at {shown}"))?;
    // Anybody may knock: who is let in is decided by who it is.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
        .with_context(|| format!("open up {shown}"))?;
    Ok(listener)
}

/// Answers on threads of its own, which can do nothing else; gives how far Landlock confines them.
///
/// # Errors
/// They cannot be confined: nobody is answered then.
pub fn open(
    listener: UnixListener,
    users: Vec<u32>,
    state: PathBuf,
    answer: impl Fn(Request) -> Answer + Send + Sync + 'static,
) -> Result<String> {
    let (confined, outcome) = mpsc::channel();
    thread::Builder::new()
        .name("door".to_owned())
        .spawn(move || {
            let outcome = confine::door(&state);
            let is_confined = outcome.is_ok();
            let _ = confined.send(outcome);
            if is_confined {
                serve(&listener, &users, &Arc::new(answer));
            }
        })
        .context("start the thread at the door")?;
    outcome.recv().context("the thread at the door ended")?.context("confine the thread at the door")
}

fn serve(
    listener: &UnixListener,
    users: &[u32],
    answer: &Arc<impl Fn(Request) -> Answer + Send + Sync + 'static>,
) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("accept a connection: {error}");
                // Out of descriptors, as a rule: at once it would be the same.
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let turned_away = if let Err(why) = check_user(&stream, users) {
            tracing::warn!("turned away: {why:#}");
            Some(format!("{why:#}"))
        } else if busy.fetch_add(1, Ordering::AcqRel) >= AT_ONCE {
            busy.fetch_sub(1, Ordering::AcqRel);
            Some(format!("{AT_ONCE} others are being answered: try again"))
        } else {
            None
        };
        if let Some(why) = turned_away {
            let _ = reply(&stream, &Answer::Error(why));
            continue;
        }
        let (answer, done) = (Arc::clone(answer), Arc::clone(&busy));
        let started = thread::Builder::new().name("answer".to_owned()).spawn(move || {
            let _ = converse(&stream, answer.as_ref());
            done.fetch_sub(1, Ordering::AcqRel);
        });
        if let Err(error) = started {
            busy.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!("start a thread for an answer: {error}");
        }
    }
}

/// By the kernel's word: the user that connected.
fn check_user(stream: &UnixStream, users: &[u32]) -> Result<()> {
    let user = socket_peercred(stream).context("ask who is there")?.uid.as_raw();
    ensure!(users.contains(&user), "user {user} may not ask: the configuration names who may, as `clients`");
    Ok(())
}

/// One line, one answer.
fn converse(stream: &UnixStream, answer: &impl Fn(Request) -> Answer) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST_REQUEST as u64)).read_until(b'\n', &mut line)?;
    let answer = match serde_json::from_slice(&line) {
        _ if line.last() != Some(&b'\n') => {
            Answer::Error(format!("a request is one line of up to {LONGEST_REQUEST} bytes"))
        }
        Ok(request) => answer(request),
        Err(error) => Answer::Error(format!("no request: {error}")),
    };
    reply(stream, &answer)
}

fn reply(mut stream: &UnixStream, answer: &Answer) -> Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::client;

    /// Serves without being confined: that would be for the whole test.
    fn at_a_door(users: Vec<u32>, check: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/door.sock");
        let listener = bind(&path).unwrap();
        thread::spawn(move || serve(&listener, &users, &Arc::new(|_| Answer::Status(Box::default()))));
        check(&path);
    }

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn say(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_line_is_answered_with_a_line() {
        at_a_door(vec![own()], |path| {
            let answer = client::ask(path, &Request::Status {}, PATIENCE).unwrap();
            assert_eq!(answer, Answer::Status(Box::default()));
        });
    }

    #[test]
    fn what_is_no_request_is_told_so_and_the_next_one_is_answered() {
        at_a_door(vec![own()], |path| {
            for (line, part) in [
                (&b"status\n"[..], "no request"),
                (b"{\"request\":\"status\"}", "one line"),
                (b"", "one line"),
                (&[0xff; 100_000], "one line"),
                (b"\xff\xfe\n", "no request"),
            ] {
                let answer = say(path, line);
                // Bytes that were not read reset the connection, which may take the answer with it.
                assert!(answer.contains(part) || line.len() > LONGEST_REQUEST, "{answer}");
            }
            assert!(say(path, b"{\"request\":\"status\"}\n").contains("\"status\""));
        });
    }

    #[test]
    fn who_is_not_named_is_turned_away() {
        at_a_door(vec![own() + 1], |path| {
            let answer = say(path, b"{\"request\":\"status\"}\n");
            assert!(answer.contains("may not ask") && answer.contains(&own().to_string()), "{answer}");
        });
    }

    #[test]
    fn a_socket_in_use_is_left_alone_and_one_that_was_left_behind_is_not() {
        at_a_door(vec![own()], |path| {
            let error = bind(path).unwrap_err().to_string();
            assert!(error.contains("another collector"), "{error}");
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.sock");
        drop(bind(&path).unwrap());
        assert!(path.exists());
        bind(&path).unwrap();
    }
}
