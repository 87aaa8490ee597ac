//! A TCP stream, or datagrams, on loopback between two processes: the loads whose every cost shows.
//!
//! `cargo xtask overhead-stream` is the receiver, and starts the sender. It speaks the same lines as
//! `profiler transfer`: `ready PID…`, then a line to begin, then `done BYTES NANOSECONDS`, and it ends with its input.

use std::{
    env,
    hint::black_box,
    io::{self, BufRead as _, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{child, counter::Counter};

/// How far ahead of its pace the sender may be, before it sleeps.
const AHEAD: Duration = Duration::from_millis(1);
/// How long the sender may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// No datagram for so long: there was the last.
const LAST_DATAGRAM: Duration = Duration::from_millis(300);

#[derive(clap::Args)]
pub struct Args {
    /// Size of each call
    #[arg(long)]
    call: usize,
    #[arg(long)]
    seconds: f64,
    /// Datagrams instead of a stream
    #[arg(long)]
    datagrams: bool,
    /// Shared memory in which the receiver counts
    #[arg(long)]
    counter: Option<PathBuf>,
    /// Multiplications before each call of the sender
    #[arg(long, default_value_t = 0)]
    work: u32,
    /// As fast as it goes, if missing
    #[arg(long)]
    bytes_per_s: Option<f64>,
    /// Port of the receiver: this is the sender
    #[arg(long)]
    to: Option<u16>,
}

pub fn run(args: &Args) -> Result<()> {
    match args.to {
        Some(port) => send(args, port),
        None => receive(args),
    }
}

fn receive(args: &Args) -> Result<()> {
    let counter = args.counter.as_deref().map(Counter::open).transpose()?;
    let (mut sender, source) = if args.datagrams {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind on loopback")?;
        socket.set_read_timeout(Some(LAST_DATAGRAM)).context("limit the wait for datagrams")?;
        let sender = start_sender(args, socket.local_addr()?.port())?;
        (sender, Source::Datagrams(socket))
    } else {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on loopback")?;
        let mut sender = start_sender(args, listener.local_addr()?.port())?;
        let stream = accept(&listener, &mut sender, CONNECT_LIMIT)?;
        (sender, Source::Stream(stream))
    };
    say(&format!("ready {} {}", std::process::id(), sender.id()))?;
    if io::stdin().lock().read_line(&mut String::new())? == 0 {
        return Ok(());
    }
    sender.stdin.take().context("the sender has no input")?.write_all(b"go\n")?;
    let mut buffer = vec![0; args.call];
    let (mut bytes, mut begun, mut last) = (0u64, None, Instant::now());
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begun.is_none() => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("receive"),
        };
        begun.get_or_insert_with(Instant::now);
        if args.datagrams {
            last = Instant::now();
        }
        bytes += count as u64;
        if let Some(counter) = &counter {
            counter.add(count as u64);
        }
    }
    if !args.datagrams {
        last = Instant::now();
    }
    let took = begun.map_or(Duration::ZERO, |begun| last - begun);
    ensure!(sender.wait()?.success(), "the sender failed");
    say(&format!("done {bytes} {}", took.as_nanos()))?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn start_sender(args: &Args, port: u16) -> Result<Child> {
    let mut sender = std::process::Command::new(env::current_exe().context("find this program")?);
    sender.args(["overhead-stream", "--to", &port.to_string(), "--call", &args.call.to_string()]);
    sender.args(["--seconds", &args.seconds.to_string()]).stdin(Stdio::piped()).stdout(Stdio::null());
    if let Some(pace) = args.bytes_per_s {
        sender.args(["--bytes-per-s", &pace.to_string()]);
    }
    if args.datagrams {
        sender.arg("--datagrams");
    }
    sender.args(["--work", &args.work.to_string()]);
    child::ends_with_parent(&mut sender, libc::SIGKILL);
    sender.spawn().context("start the sender")
}

enum Source {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

impl Source {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => {
                let mut stream = stream;
                stream.read(buffer)
            }
            Self::Datagrams(socket) => socket.recv(buffer),
        }
    }
}

/// The sender's connection; an error if it ends before that, or takes longer than `limit`.
fn accept(listener: &TcpListener, sender: &mut Child, limit: Duration) -> Result<TcpStream> {
    listener.set_nonblocking(true).context("listen on loopback")?;
    let deadline = Instant::now() + limit;
    loop {
        match listener.accept() {
            // Linux does not hand down O_NONBLOCK to the connection.
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("wait for the sender"),
        }
        if let Some(status) = sender.try_wait().context("wait for the sender")? {
            bail!("the sender ended before it connected ({status}): its error is above");
        }
        ensure!(Instant::now() < deadline, "the sender did not connect within {} s", limit.as_secs_f64());
        thread::sleep(LOOK_INTERVAL);
    }
}

fn send(args: &Args, port: u16) -> Result<()> {
    let to = (Ipv4Addr::LOCALHOST, port);
    let buffer = vec![7; args.call];
    if args.datagrams {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind on loopback")?;
        socket.connect(to).context("connect to the receiver")?;
        return send_by(args, || socket.send(&buffer).map(drop));
    }
    let mut stream = TcpStream::connect(to).context("connect to the receiver")?;
    send_by(args, || stream.write_all(&buffer))
}

fn send_by(args: &Args, mut call: impl FnMut() -> io::Result<()>) -> Result<()> {
    if io::stdin().lock().read_line(&mut String::new())? == 0 {
        return Ok(());
    }
    let (begun, mut sent) = (Instant::now(), 0u64);
    loop {
        let elapsed = begun.elapsed();
        if elapsed.as_secs_f64() >= args.seconds {
            return Ok(());
        }
        if let Some(pace) = args.bytes_per_s {
            let due = Duration::from_secs_f64(sent as f64 / pace);
            if due > elapsed + AHEAD {
                thread::sleep(due - elapsed);
                continue;
            }
        }
        work(args.work);
        call().context("send")?;
        sent += args.call as u64;
    }
}

/// Takes as long whatever it is asked for and whoever watches: each multiplication waits for the one before.
fn work(rounds: u32) {
    const FACTOR: u64 = 6_364_136_223_846_793_005;
    let product = (0..rounds)
        .fold(1_u64, |product, round| black_box(product.wrapping_mul(FACTOR).wrapping_add(round.into())));
    black_box(product);
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write to the standard output")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[track_caller]
    fn check(sender: &mut Command, connects: bool, expected: &str) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let mut sender = sender.spawn().expect("it starts");
        let ours = connects.then(|| TcpStream::connect(listener.local_addr().expect("an address")));
        let found = accept(&listener, &mut sender, Duration::from_millis(500));
        let found = found.map_or_else(|error| error.to_string(), |_| "connected".to_owned());
        drop(ours);
        let _ = sender.kill();
        sender.wait().expect("it ends");
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sender_that_never_connects_is_an_error() {
        let mut sleeps = Command::new("sleep");
        sleeps.arg("60");
        check(&mut sleeps, true, "connected");
        check(&mut sleeps, false, "the sender did not connect within 0.5 s");
        let ended = "the sender ended before it connected (exit status: 1): its error is above";
        check(&mut Command::new("false"), false, ended);
    }
}
