//! A network of a test's own, and what sets it up.

use std::{panic::resume_unwind, process::Command, thread};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// On a thread with a network of its own, whose counts are of nobody else.
pub fn alone_in_a_network(work: impl FnOnce() + Send + 'static) {
    let alone = move || {
        // SAFETY: the thread shares no file descriptors in a way that matters: a network is no file.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("make a network, which needs root");
        tool("ip", "link set lo up");
        work();
    };
    if let Err(panic) = thread::spawn(alone).join() {
        resume_unwind(panic);
    }
}

/// What a program says, in this thread's network.
pub fn tool(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
