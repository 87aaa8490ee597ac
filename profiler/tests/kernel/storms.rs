//! Many threads, many processes, ids that come again, ends in the middle: each is counted once, or as lost.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use abi::target::PROCESS_SLOTS;
use analysis::timeline::ThreadTime;
use profiler::collect::probes::Settings;

use crate::{
    actor::Actor,
    brief,
    recorded::{Recorded, named, read, record, record_others, record_with, wait_until_followed},
};

const PROFILER: &str = env!("CARGO_BIN_EXE_profiler");

#[test]
fn a_thousand_threads_are_each_accounted_for() {
    const THREADS: usize = 1000;
    let recorded = record(|| {
        let all_there = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let all_there = Arc::clone(&all_there);
                named("one-of-many", move || {
                    all_there.wait();
                    thread::sleep(Duration::from_millis(100));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let many = recorded.own().threads.values().filter(|thread| thread.comm == "one-of-many");
    let times: Vec<_> =
        many.map(|thread| ThreadTime::of(thread, recorded.timeline.whole_until_ns())).collect();
    assert_eq!(times.len(), THREADS);
    for time in times {
        assert!(time.adds_up() && time.lifetime_ns > 100_000_000, "{time:?}");
    }
    assert_eq!(recorded.timeline.losses["thread_table_full"], 0);
}

#[test]
fn a_fork_storm_is_followed_to_the_last_child() {
    // Half as many again in a second as the table has places, for 2 s.
    const FORKS: usize = 12_000;
    let recorded = record(|| brief::processes(FORKS, 6000));
    let own = std::process::id();
    let processes = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    let children = processes.filter(|totals| totals.parent_pid == own);
    let children = children.inspect(|child| assert!(child.exited_ns.is_some(), "{child:?}")).count();
    assert_eq!(recorded.timeline.losses["process_table_full"], 0);
    assert_eq!(children, FORKS);
}

#[test]
fn short_processes_beside_thousands_that_live_are_followed() {
    // What is left of the table lasts for 0.6 s: a sweep each second is too late, whenever it comes.
    const LIVING: usize = 3500;
    const FORKS: usize = 1500;
    let recorded = record(|| {
        let crowd = brief::crowd(LIVING);
        brief::processes(FORKS, 1000);
        drop(crowd);
    });
    assert_eq!(recorded.timeline.losses["process_table_full"], 0);
    assert_eq!(recorded.timeline.processes.len(), LIVING + FORKS + 1);
}

#[test]
fn processes_that_run_already_and_have_no_place_are_counted() {
    const CHILDREN: usize = PROCESS_SLOTS as usize + 100;
    // They end when the test's end of the pipe does.
    let script = format!(
        "for (1..{CHILDREN}) {{ next if fork; <STDIN>; exit }} print \"ready\\n\"; <STDIN>; 1 while wait > 0"
    );
    // While no other test records this process and its children.
    let recorded = record_others(|recording| {
        let mut parent = Command::new("perl")
            .args(["-e", &format!("$| = 1; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start perl");
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        recording.register(parent.id()).unwrap();
        drop(parent.stdin.take());
        assert!(parent.wait().unwrap().success());
    });
    let followed = recorded.timeline.processes.len();
    let unfit = recorded.timeline.losses["process_table_full"];
    assert_eq!((followed, unfit), (PROCESS_SLOTS as usize - 1, (CHILDREN + 1 - followed) as u64));
}

#[test]
fn a_child_that_gets_an_ended_childs_id_is_another_process() {
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = sink.local_addr().unwrap();
    let mut id = 0;
    let recorded = record(|| {
        let first = Actor::new(move || send(address, 1000));
        id = first.pid;
        first.act();
        with_id(id, move || send(address, 2000)).act();
    });
    let with_id = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    let bytes: Vec<_> = with_id.filter(|totals| totals.pid == id).map(|totals| totals.tcp_tx_bytes).collect();
    assert_eq!(bytes.iter().filter(|&&bytes| bytes == 1000).count(), 1, "{bytes:?}");
    assert_eq!(bytes.iter().filter(|&&bytes| bytes == 2000).count(), 1, "{bytes:?}");
    // Those between that got the id too early or too late have none.
    assert_eq!(bytes.iter().sum::<u64>(), 3000, "{bytes:?}");
}

#[test]
fn a_stranger_that_gets_a_targets_id_is_none() {
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = sink.local_addr().unwrap();
    let mut id = 0;
    let recorded = record_others(|recording| {
        let target = Actor::new(move || send(address, 1000));
        id = target.pid;
        recording.register(id).unwrap();
        target.act();
        with_id(id, move || send(address, 2000)).act();
    });
    assert_eq!(recorded.timeline.processes.len(), 1);
    assert_eq!(recorded.with_pid(id).totals.as_ref().unwrap().tcp_tx_bytes, 1000);
}

#[test]
fn a_target_that_is_killed_in_the_middle_of_a_transfer_keeps_what_it_moved() {
    let mut pid = 0;
    let mut got = 0;
    let recorded = record(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; exec cat /dev/zero >&3",
            listener.local_addr().unwrap().port()
        );
        let mut sender = Command::new("bash").args(["-c", &script]).spawn().unwrap();
        pid = sender.id();
        let mut connection = listener.accept().unwrap().0;
        let mut some = vec![0; 1 << 20];
        while got < 50_000_000 {
            got += connection.read(&mut some).unwrap() as u64;
        }
        sender.kill().unwrap();
        sender.wait().unwrap();
        // What it had sent still arrives.
        loop {
            match connection.read(&mut some).unwrap() {
                0 => break,
                more => got += more as u64,
            }
        }
    });
    let totals = recorded.with_pid(pid).totals.as_ref().unwrap();
    assert!(totals.exited_ns.is_some());
    assert_eq!((totals.tcp_tx_bytes, recorded.own().totals.as_ref().unwrap().tcp_rx_bytes), (got, got));
}

#[test]
fn two_profilers_of_one_target_see_the_same() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let path = folder.path().join("second.capture");
    let ours = record_with(&Settings::default(), |_| {
        let mut second = Command::new(PROFILER)
            .args(["record", "--pid", &std::process::id().to_string(), "-o"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until_followed(&path);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        for _ in 0..1000 {
            near.write_all(&[7; 1234]).unwrap();
            far.read_exact(&mut [0; 1234]).unwrap();
        }
        // SAFETY: a child that was not waited for.
        unsafe { libc::kill(second.id() as i32, libc::SIGINT) };
        assert!(second.wait().unwrap().success());
    });
    for recorded in [ours, Recorded { timeline: read(&path) }] {
        let totals = recorded.own().totals.as_ref().unwrap();
        assert_eq!((totals.tcp_rx_bytes, totals.tcp_tx_bytes), (1_234_000, 1_234_000));
        assert_eq!(recorded.timeline.losses["ring_full"], 0);
    }
}

fn send(address: std::net::SocketAddr, bytes: usize) {
    TcpStream::connect(address).unwrap().write_all(&vec![7; bytes]).unwrap();
}

/// An actor with this id, which nobody has any more. Others that start a process at this moment may be faster.
#[track_caller]
fn with_id(id: u32, work: impl FnOnce() + Copy) -> Actor {
    for _ in 0..2000 {
        fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
        let actor = Actor::new(work);
        if actor.pid == id {
            return actor;
        }
        actor.dismiss();
    }
    panic!("no process got the id {id}");
}
