//! The service as it runs: what it counts, what it may still do, and that it leaves nothing behind.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use analysis::timeline::Timeline;
use capture::families::PROBE_COST;
use profiler::daemon::{
    client,
    messages::{Answer, Request},
    recordings::{RecordingStatus, State, Wanted},
    status::{Status, TargetStatus},
    transfers::{Direction, Mark, Outcome},
};

use super::recorded;

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");
const PATIENCE: Duration = Duration::from_secs(10);

/// A collector with a gateway, in a folder of its own.
struct Service {
    folder: tempfile::TempDir,
    collector: Child,
    gateway: Child,
}

impl Service {
    fn start(targets: &str) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = folder.path().display();
        let collector = format!("state = '{place}/state'\nsocket = '{place}/collector.sock'\n{targets}");
        let gateway = format!("collector = '{place}/collector.sock'\nlisten = 'unix:{place}/http.sock'\n");
        let start = |job: &str, config: &str| {
            let file = folder.path().join(format!("{job}.toml"));
            fs::write(&file, config).unwrap();
            Command::new(PROFILER).arg(job).arg("--config").arg(file).stderr(Stdio::null()).spawn().unwrap()
        };
        let (collector, gateway) = (start("daemon", &collector), start("gateway", &gateway));
        let service = Self { folder, collector, gateway };
        service.wait_for("its first sweep", |status| status.swept_s > 0.0);
        service
    }

    /// Has the collector take other targets.
    fn reload(&self, targets: &str) {
        let place = self.folder.path().display();
        let config = format!("state = '{place}/state'\nsocket = '{place}/collector.sock'\n{targets}");
        fs::write(self.folder.path().join("daemon.toml"), config).unwrap();
        // SAFETY: a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.collector.id() as i32, libc::SIGHUP) }, 0);
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("collector.sock")
    }

    /// Asks until it is so.
    #[track_caller]
    fn wait_for(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let began = Instant::now();
        loop {
            let answer = client::ask(&self.socket(), &Request::Status {}, PATIENCE);
            match answer {
                Ok(Answer::Status(status)) if is_so(&status) => return *status,
                answer if began.elapsed() > PATIENCE => panic!("{what}: {answer:#?}"),
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    #[track_caller]
    fn mark(&self, mark: Mark) {
        let answer = client::ask(&self.socket(), &Request::Mark { mark }, PATIENCE).unwrap();
        assert_eq!(answer, Answer::Marked {});
    }

    #[track_caller]
    fn recordings(&self, request: &Request) -> Vec<RecordingStatus> {
        match client::ask(&self.socket(), request, PATIENCE) {
            Ok(Answer::Recordings(recordings)) => recordings,
            other => panic!("{request:?}: {other:?}"),
        }
    }

    #[track_caller]
    fn record(&self, name: &str, bytes: Option<u64>) -> RecordingStatus {
        let recording = Wanted { name: name.to_owned(), targets: Vec::new(), seconds: None, bytes };
        self.recordings(&Request::StartRecording { recording }).remove(0)
    }

    /// Waits until one is complete and packed; gives what its capture says.
    #[track_caller]
    fn recorded(&self, name: &str) -> (RecordingStatus, Timeline) {
        let began = Instant::now();
        loop {
            let found = self.recordings(&Request::Recordings {}).into_iter().find(|one| one.name == name);
            match found {
                Some(one) if one.state == State::Complete && one.is_packed => {
                    let timeline = recorded::read(&one.capture);
                    return (one, timeline);
                }
                other if began.elapsed() > PATIENCE => panic!("{name}: {other:#?}"),
                _ => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The page, as the gateway serves it.
    fn page(&self, path: &str) -> String {
        let mut stream =
            std::os::unix::net::UnixStream::connect(self.folder.path().join("http.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for child in [&mut self.gateway, &mut self.collector] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn target<'s>(status: &'s Status, name: &str) -> &'s TargetStatus {
    status.targets.iter().find(|target| target.name == name).expect("it is configured")
}

/// Runs a program that sends so many bytes to this process, and reads none; it ends before this returns.
fn send_by(program: &Path, bytes: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Both are built into the shell: no other process sends.
    let script = format!("exec 3>/dev/tcp/127.0.0.1/{port}; printf %0{bytes}d 0 >&3");
    let mut child = Command::new(program).args(["-c", &script]).spawn().unwrap();
    let mut received = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(received.len(), bytes);
}

#[test]
fn a_reload_takes_other_targets_and_those_that_stay_go_on() {
    let programs = tempfile::tempdir_in("/var/tmp").unwrap();
    let [first, second] = ["one", "two"].map(|which| format!("{which}-{}", std::process::id()));
    let program = |name: &str| programs.path().join(name);
    [&first, &second].iter().for_each(|name| symlink("/bin/bash", program(name)).unwrap());
    let configured =
        |name: &str, command: &str| format!("[[target]]\nname = '{name}'\ncommand = '{command}'\n");
    let service = Service::start(&configured("first", &first));
    send_by(&program(&first), 1000);
    send_by(&program(&second), 200);
    service.wait_for("the first", |status| target(status, "first").moved.tcp_tx_bytes == 1000);
    // What is wrong changes nothing.
    service.reload("[[target]]\nname = 'first'\n");
    send_by(&program(&first), 30);
    service.wait_for("the first again", |status| target(status, "first").moved.tcp_tx_bytes == 1030);
    service.reload(&(configured("second", &second) + &configured("first", &first)));
    service.wait_for("the second target", |status| status.targets.len() == 3);
    send_by(&program(&second), 200);
    send_by(&program(&first), 4);
    let sent = |status: &Status, name: &str| target(status, name).moved.tcp_tx_bytes;
    let both = |status: &Status| (sent(status, "first"), sent(status, "second")) == (1034, 200);
    service.wait_for("both", both);
    service.reload(&configured("second", &second));
    service.wait_for("the second alone", |status| status.targets.len() == 2);
    send_by(&program(&first), 5000);
    send_by(&program(&second), 7);
    service.wait_for("the second", |status| sent(status, "second") == 207 && sent(status, "unassigned") == 0);
}

/// Of many calls that follow each other closely, few are looked at: what the last ones moved is counted while they go on no further.
#[test]
fn the_service_counts_what_many_calls_have_sent_while_their_connection_is_open() {
    const CALLS: u64 = 3000;
    let programs = tempfile::tempdir_in("/var/tmp").unwrap();
    let name = format!("calls-{}", std::process::id());
    let program = programs.path().join(&name);
    symlink("/bin/bash", &program).unwrap();
    let service = Service::start(&format!("[[target]]\nname = 'calls'\ncommand = '{name}'\n"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // Built into the shell, which stays until it can read a line.
    let script = format!(
        "exec >/dev/tcp/127.0.0.1/{port}; for ((i = 0; i < {CALLS}; i++)); do printf 1234567; done; read line"
    );
    let mut child = Command::new(&program).args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut received = listener.accept().unwrap().0.take(7 * CALLS);
    assert_eq!(received.read_to_end(&mut Vec::new()).unwrap() as u64, 7 * CALLS);
    service.wait_for("all of them", |status| target(status, "calls").moved.tcp_tx_bytes == 7 * CALLS);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn recordings_on_demand_have_what_was_moved_meanwhile_and_nothing_of_those_before() {
    let programs = tempfile::tempdir_in("/var/tmp").unwrap();
    let name = format!("rec-{}", std::process::id());
    let program = programs.path().join(&name);
    symlink("/bin/bash", &program).unwrap();
    let service = Service::start(&format!("[[target]]\nname = 'node'\ncommand = '{name}'\n"));
    let sent = |timeline: &Timeline| {
        let totals = timeline.processes.values().filter_map(|process| process.totals.as_ref());
        totals.map(|totals| totals.tcp_tx_bytes).collect::<Vec<_>>()
    };
    // One process, which lives on from recording to recording.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("exec 3>/dev/tcp/127.0.0.1/{port}; while read n; do printf %0${{n}}d 0 >&3; done");
    let mut node = Command::new(&program).args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let mut orders = node.stdin.take().unwrap();
    let mut received = listener.accept().unwrap().0;
    let mut send = |bytes: usize| {
        writeln!(orders, "{bytes}").unwrap();
        received.read_exact(&mut vec![0; bytes]).unwrap();
    };
    send(1000);
    assert!(!service.record("first", None).is_shared);
    service.mark(Mark::Begin {
        label: "marked".to_owned(),
        target: "node".to_owned(),
        size_bytes: 54_321,
        direction: Direction::Transmit,
    });
    // It overlaps, and so it is in the same capture.
    assert!(service.record("second", None).is_shared);
    send(54_321);
    // A process that is gone is known by what was seen of it.
    send_by(&program, 60_000);
    service.mark(Mark::End { label: "marked".to_owned(), failed: false });
    service.recordings(&Request::StopRecording { name: "first".to_owned() });
    send(77);
    service.recordings(&Request::StopRecording { name: "second".to_owned() });
    let (first, timeline) = service.recorded("first");
    assert_eq!(service.recorded("second").0.capture, first.capture);
    assert_eq!(sent(&timeline), [54_398, 60_000]);
    assert!(timeline.processes.values().any(|process| !process.threads.is_empty()), "their threads' time");
    // What it takes to measure that is gone.
    assert!(timeline.families[PROBE_COST].missing().is_some(), "{:?}", timeline.families);
    let [transfer] = &timeline.transfers[..] else { panic!("{:?}", timeline.transfers) };
    assert_eq!(transfer.transfer.label, "marked");
    let of = &timeline.processes[&transfer.transfer.process].totals;
    assert_eq!(of.as_ref().map(|totals| totals.tcp_tx_bytes), Some(60_000), "the one that moved most");

    // The same probes again: nothing of the first is left in them.
    service.record("third", None);
    send(4096);
    service.recordings(&Request::StopRecording { name: "third".to_owned() });
    let (third, timeline) = service.recorded("third");
    assert_eq!(sent(&timeline), [4096]);
    assert_ne!(third.capture, first.capture);
    // One that ends by itself.
    service.record("small", Some(1));
    let why = service.recorded("small").0.why;
    assert_eq!(why.as_deref(), Some("its capture was as large as it might be"));
    let refused = |name: &str, targets: &[&str], part: &str| {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        let recording = Wanted { name: name.to_owned(), targets, seconds: None, bytes: None };
        let request = Request::StartRecording { recording };
        let error = client::ask(&service.socket(), &request, PATIENCE).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("first", &[], "is there already");
    refused("../out", &[], "a recording's name");
    refused("other", &["nobody"], "no target is called");
    let files = fs::read_dir(first.capture.parent().unwrap()).unwrap().count();
    assert_eq!(files, 3, "nothing is left of what was refused");
    drop(orders);
    assert!(node.wait().unwrap().success());
}

#[test]
fn the_service_counts_to_the_byte_over_restarts_with_hardly_a_privilege() {
    let programs = tempfile::tempdir_in("/var/tmp").unwrap();
    let name = format!("node-{}", std::process::id());
    let program = programs.path().join(&name);
    symlink("/bin/bash", &program).unwrap();
    let own = std::process::id();
    let service = Service::start(&format!(
        "[[target]]\nname = 'node'\nsystem = 'shell'\nrole = 'seeder'\ncommand = '{name}'\n\
         [[target]]\nname = 'tests'\npid = {own}\n"
    ));
    service.mark(Mark::Begin {
        label: "first".to_owned(),
        target: "node".to_owned(),
        size_bytes: 54_321,
        direction: Direction::Transmit,
    });
    send_by(&program, 54_321);
    service.mark(Mark::End { label: "first".to_owned(), failed: false });
    service.wait_for("the first node", |status| target(status, "node").moved.tcp_tx_bytes == 54_321);
    send_by(&program, 12_345);
    let status =
        service.wait_for("the node again", |status| target(status, "node").moved.tcp_tx_bytes == 66_666);
    let node = target(&status, "node");
    assert_eq!((node.processes, node.processes_seen, node.moved.tcp_rx_bytes), (0, 2, 0), "{node:?}");
    assert!(target(&status, "tests").moved.tcp_rx_bytes >= 66_666, "{:?}", target(&status, "tests"));
    // Of a disk that other programs write to, this host may hide some.
    let lost = status.lost.iter().filter(|(class, count)| **count > 0 && *class != "completion_unseen");
    assert_eq!(lost.collect::<Vec<_>>(), []);
    let answer = client::ask(&service.socket(), &Request::Transfers {}, PATIENCE).unwrap();
    let Answer::Transfers(transfers) = answer else { panic!("{answer:?}") };
    let [transfer] = &transfers[..] else { panic!("{transfers:#?}") };
    assert_eq!((transfer.outcome, transfer.kernel_bytes), (Outcome::Complete, 54_321), "{transfer:#?}");
    assert_eq!(transfer.kernel_milestones.len(), 4, "{transfer:#?}");
    assert!(transfer.kernel_milestones.iter().all(|one| one.at_s <= transfer.lasted_s), "{transfer:#?}");
    let page = service.page("/metrics");
    let line = "profiler_target_payload_bytes_total{target=\"node\",system=\"shell\",role=\"seeder\",\
                protocol=\"tcp\",direction=\"transmit\"} 66666";
    assert!(page.lines().any(|found| found == line), "{page}");
    assert!(service.page("/api/v1/targets").contains("\"processes_seen\":2"));

    // The collector itself tries, in both kinds of threads.
    let answer = client::ask(&service.socket(), &Request::Attempts {}, PATIENCE).unwrap();
    let Answer::Attempts(attempts) = answer else { panic!("{answer:?}") };
    let possible: Vec<_> = attempts.iter().filter(|attempt| attempt.refused.is_none()).collect();
    // Without Landlock the door's threads are kept from files by their user alone.
    let by_landlock =
        |what: &str| what.contains("outside of the state folder") && status.confinement.landlock == "not";
    assert!(
        possible.iter().all(|attempt| attempt.thread == "door" && by_landlock(&attempt.what)),
        "{possible:#?}"
    );
    assert_eq!(attempts.len(), 15, "{attempts:#?}");
    service.wait_for("an answer after the attempts", |status| !status.targets.is_empty());

    // CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are left to the thread that reads /proc, and nothing to any other.
    let threads = [&service.collector, &service.gateway].map(|child| format!("/proc/{}/task", child.id()));
    let threads = threads.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut checked = 0;
    for thread in threads.map(|thread| thread.unwrap().path()) {
        let is_first = thread.ends_with(service.collector.id().to_string());
        let is_gateways = thread.starts_with(format!("/proc/{}", service.gateway.id()));
        // Those that answer come and go.
        let Ok(status) = fs::read_to_string(thread.join("status")) else { continue };
        checked += 1;
        let value =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        let expected = if is_first { 1u64 << 19 | 1 << 2 } else { 0 };
        for key in ["CapInh:", "CapAmb:"] {
            assert_eq!(u64::from_str_radix(&value(key), 16), Ok(0), "{key} of {thread:?}");
        }
        for key in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(u64::from_str_radix(&value(key), 16), Ok(expected), "{key} of {thread:?}");
        }
        let seccomp = if is_gateways { "0" } else { "2" };
        assert_eq!((value("NoNewPrivs:").as_str(), value("Seccomp:").as_str()), ("1", seccomp), "{thread:?}");
    }
    assert!(checked >= 3, "the collecting thread, the one at the door, and the gateway's");
}
