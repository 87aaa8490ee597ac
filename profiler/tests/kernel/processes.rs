//! Children are followed; commands are found by name, running or not.

use std::{io::Read as _, net::TcpListener, process::Command, thread, time::Duration};

use analysis::timeline::{FileIo, ThreadTime};
use profiler::collect::probes::Settings;

use crate::recorded::{record, record_with};

#[test]
fn a_childs_bytes_are_its_own() {
    let mut child_pid = 0;
    let recorded = record(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; head -c 100000 /dev/zero >&3",
            listener.local_addr().unwrap().port()
        );
        let mut child = Command::new("bash").args(["-c", &script]).spawn().unwrap();
        child_pid = child.id();
        let (mut connection, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        connection.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), 100_000);
        child.wait().unwrap();
    });
    // `head` is a child of the shell, and has the shell's socket.
    let is_heir = |parent: u32| {
        recorded
            .timeline
            .processes
            .values()
            .filter_map(|process| process.totals.clone())
            .find(|totals| totals.parent_pid == parent)
    };
    let shell = is_heir(std::process::id()).expect("the shell is in the capture");
    assert_eq!((shell.pid, shell.comm.as_str()), (child_pid, "bash"));
    assert!(shell.exited_ns.is_some());
    let head = is_heir(child_pid).expect("the shell's child is in the capture");
    assert_eq!((head.comm.as_str(), head.tcp_tx_bytes), ("head", 100_000));
    assert_eq!(recorded.own().totals.as_ref().unwrap().tcp_rx_bytes, 100_000);
}

#[test]
fn a_command_is_found_by_name_before_and_after_it_starts() {
    // Names that nothing else on the host has, nor another run of this test. The kernel keeps 15 bytes: of the second one
    // the last is the first half of a letter.
    let id = std::process::id();
    let names = [format!("slumber{id:08}-for-a-test"), format!(" \\\n{id:07}ααααα")];
    let folder = tempfile::tempdir().unwrap();
    for name in &names {
        let program = folder.path().join(name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        // Neither may descend from this process while it is a target, or it would be followed as a child: both are left
        // to init before the recording, and the second becomes the command only within it.
        let leave_to_init = |script: &str| {
            Command::new("setsid").args(["--fork", "sh", "-c", script]).arg(&program).status().unwrap();
        };
        leave_to_init("exec \"$0\" 8");
        leave_to_init("sleep 3; exec \"$0\" 0.1");
    }
    // The first have their names only after the exec.
    thread::sleep(Duration::from_millis(200));
    let recorded = record_with(&Settings::default(), |recording| {
        for name in &names {
            assert_eq!(recording.register_command(name).unwrap(), 1, "{name:?} ran already");
        }
        thread::sleep(Duration::from_secs(4));
    });
    for name in &names {
        let kept = String::from_utf8_lossy(&name.as_bytes()[..15]);
        let found = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
        let found: Vec<_> = found.filter(|totals| totals.comm == kept).collect();
        assert_eq!(found.len(), 2, "{name:?}, and the one that started later: {found:?}");
        assert_eq!(found.iter().filter(|totals| totals.exited_ns.is_some()).count(), 1, "{found:?}");
    }
}

#[test]
fn many_short_lived_processes_are_all_counted() {
    const CHILDREN: usize = 300;
    let recorded = record(|| {
        for _ in 0..CHILDREN {
            Command::new("true").status().unwrap();
        }
    });
    let own = std::process::id();
    let children = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    let children: Vec<_> = children.filter(|totals| totals.parent_pid == own).collect();
    assert_eq!(children.len(), CHILDREN);
    assert!(children.iter().all(|child| child.exited_ns.is_some()), "every one ended");
}

#[test]
fn a_connection_that_outlives_its_process_keeps_its_bytes() {
    let mut child_pid = 0;
    let recorded = record(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf %100000s >&3");
        let mut child = Command::new("bash").args(["-c", &script]).spawn().unwrap();
        child_pid = child.id();
        let (mut connection, _) = listener.accept().unwrap();
        child.wait().unwrap();
        // Beyond two sweeps.
        thread::sleep(Duration::from_millis(2500));
        let mut got = Vec::new();
        connection.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), 100_000);
    });
    let sockets = &recorded.with_pid(child_pid).sockets;
    assert_eq!(sockets.values().map(|socket| socket.tx_bytes).sum::<u64>(), 100_000, "{sockets:?}");
}

#[test]
fn a_thread_that_executes_a_program_takes_no_time_with_it() {
    check_exec_from_thread("sleep 10");
}

#[test]
fn a_thread_that_executes_a_program_after_its_leader_is_gone_begins_then() {
    // System call 60 is `exit`, of the calling thread alone.
    let first = check_exec_from_thread("1 while do { my @t = times; $t[0] + $t[1] } < 0.1; syscall 60, 0");
    // The program goes on in the leader's entry, which was recorded a second before.
    assert!(first.cpu_ns > 40_000_000, "{first:?}");
}

/// The program goes on under the leader's id, with another thread's accounting.
#[test]
fn what_a_leader_read_before_another_thread_executes_a_program_is_kept() {
    // Beyond a sweep, or not; and while the process lives, or after it.
    for (leader_is_swept, lives) in [(false, false), (true, false), (false, true)] {
        let (wait, last) = (if leader_is_swept { 2.2 } else { 0.3 }, if lives { 5 } else { 0 });
        let script = format!(
            "use threads; threads->create(sub {{ select undef, undef, undef, {wait};
                 exec 'sh', '-c', 'head -c 3000000 /dev/zero > /dev/null; exec sleep {last}' }})->detach;
             open F, '/dev/zero'; sysread F, $x, 5000000; syscall 60, 0"
        );
        let mut child = None;
        let recorded = record(|| {
            child = Some(Command::new("perl").args(["-e", &script]).spawn().unwrap());
            thread::sleep(Duration::from_secs_f64(wait + 0.5));
        });
        let mut child = child.expect("it was started");
        child.wait().unwrap();
        // `head` is a child, with bytes of its own.
        let read = recorded.with_pid(child.id()).io.sum(FileIo::read_bytes);
        assert!((5_000_000..5_500_000).contains(&read), "{leader_is_swept} {lives}: {read}");
    }
}

/// Perl is in every Debian, and its threads are real ones. Gives the time of the first thread.
#[track_caller]
fn check_exec_from_thread(leader_does: &str) -> ThreadTime {
    let script =
        format!("use threads; threads->create(sub {{ sleep 2; exec 'sleep', '1' }})->detach; {leader_does}");
    let mut child_pid = 0;
    let recorded = record(|| {
        let mut child = Command::new("perl").args(["-e", &script]).spawn().unwrap();
        child_pid = child.id();
        child.wait().unwrap();
        // The process is gone, and its threads' times with it.
        thread::sleep(Duration::from_millis(2200));
    });
    let process = recorded.with_pid(child_pid);
    assert_eq!(process.totals.as_ref().unwrap().comm, "sleep");
    for thread in process.threads.values() {
        let time = ThreadTime::of(thread, recorded.timeline.whole_until_ns());
        assert!(time.cpu_ns < 300_000_000, "{thread:?}: {time:?}");
        assert!(time.adds_up() && time.lifetime_ns < 4_000_000_000, "{thread:?}: {time:?}");
    }
    let first = process.threads.values().find(|thread| thread.tid == child_pid).expect("the first thread");
    ThreadTime::of(first, recorded.timeline.whole_until_ns())
}

#[test]
fn the_same_process_may_be_named_twice() {
    let recorded = record_with(&Settings::default(), |recording| {
        let again = recording.register(std::process::id()).unwrap();
        assert_eq!(recording.serial(std::process::id()).unwrap(), again);
        assert_eq!(recording.status().processes_alive, 1);
    });
    assert_eq!(recorded.timeline.processes.len(), 1);
}
