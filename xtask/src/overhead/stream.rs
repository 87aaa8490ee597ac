//! A TCP stream on loopback between two processes: the load whose every cost shows.
//!
//! `cargo xtask overhead-stream` is the receiver, and starts the sender. It speaks the same lines as
//! `profiler transfer`: `ready PID…`, then a line to begin, then `done BYTES NANOSECONDS`, and it ends with its input.

use std::{
    env,
    io::{self, BufRead as _, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::child;

/// How far ahead of its pace the sender may be, before it sleeps.
const AHEAD: Duration = Duration::from_millis(1);

#[derive(clap::Args)]
pub struct Args {
    /// Size of each call
    #[arg(long)]
    call: usize,
    #[arg(long)]
    seconds: f64,
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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on loopback")?;
    let port = listener.local_addr()?.port().to_string();
    let mut sender = std::process::Command::new(env::current_exe().context("find this program")?);
    sender.args(["overhead-stream", "--to", &port, "--call", &args.call.to_string()]);
    sender.args(["--seconds", &args.seconds.to_string()]).stdin(Stdio::piped()).stdout(Stdio::null());
    if let Some(pace) = args.bytes_per_s {
        sender.args(["--bytes-per-s", &pace.to_string()]);
    }
    child::ends_with_parent(&mut sender, libc::SIGKILL);
    let mut sender = sender.spawn().context("start the sender")?;
    let (mut stream, _) = listener.accept().context("wait for the sender")?;
    say(&format!("ready {} {}", std::process::id(), sender.id()))?;
    if io::stdin().lock().read_line(&mut String::new())? == 0 {
        return Ok(());
    }
    sender.stdin.take().context("the sender has no input")?.write_all(b"go\n")?;
    let mut buffer = vec![0; args.call];
    let (mut bytes, mut begun) = (0u64, None);
    loop {
        let count = stream.read(&mut buffer).context("receive")?;
        if count == 0 {
            break;
        }
        begun.get_or_insert_with(Instant::now);
        bytes += count as u64;
    }
    let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
    ensure!(sender.wait()?.success(), "the sender failed");
    say(&format!("done {bytes} {}", took.as_nanos()))?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn send(args: &Args, port: u16) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect to the receiver")?;
    let buffer = vec![7; args.call];
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
        stream.write_all(&buffer).context("send")?;
        sent += buffer.len() as u64;
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("write to the standard output")
}
