//! Names of the frames of processes' stacks, found on a thread of their own: to read the symbols of one program of some
//! hundred MB may take longer than the ring buffers last.
//!
//! User frames need frame pointers; a program without them shows the innermost ones only. Names come from ELF symbol
//! tables: a stripped program shows addresses.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use anyhow::{Context as _, Result};
use blazesym::{
    Pid,
    symbolize::{
        Input, Symbolized, Symbolizer,
        source::{Process, Source},
    },
};
use capture::Stack;

/// A stack as the kernel has it.
pub struct Unnamed {
    pub id: u32,
    /// A thread that had it.
    pub tid: u32,
    pub addresses: Vec<u64>,
    pub truncated: bool,
}

/// The way to the thread and back. It ends when this is dropped.
pub struct Names {
    /// `None` when no more will come.
    unnamed: Option<Sender<Vec<Unnamed>>>,
    named: Receiver<Stack>,
}

impl Names {
    pub fn start() -> Result<Self> {
        let ((unnamed, batches), (send, named)) = (channel::<Vec<Unnamed>>(), channel());
        let find = move || {
            for batch in batches {
                // What it has read of their programs and libraries is not kept, because that is memory for each process, and
                // new stacks become rare. To read the 56,297 symbols of a program of 160 MB takes 2 ms.
                let symbolizer = symbolizer();
                for stack in batch {
                    if send.send(named_stack(&symbolizer, stack)).is_err() {
                        return;
                    }
                }
            }
        };
        thread::Builder::new().name("stack-names".to_owned()).spawn(find).context("start a thread")?;
        Ok(Self { unnamed: Some(unnamed), named })
    }

    /// Has these named. Soon, because processes may be short-lived; and several together, because each time costs a look at
    /// the programs and libraries of their processes.
    pub fn find(&self, stacks: Vec<Unnamed>) {
        if let Some(unnamed) = self.unnamed.as_ref().filter(|_| !stacks.is_empty()) {
            // The thread is there as long as this is.
            let _ = unnamed.send(stacks);
        }
    }

    /// What has its names by now.
    pub fn found(&self) -> impl Iterator<Item = Stack> {
        self.named.try_iter()
    }

    /// All that is left; waits for it.
    pub fn rest(&mut self) -> impl Iterator<Item = Stack> {
        self.unnamed = None;
        self.named.iter()
    }
}

fn named_stack(symbolizer: &Symbolizer, stack: Unnamed) -> Stack {
    let Unnamed { id, tid, addresses, truncated } = stack;
    Stack { id, frames: frames(symbolizer, &Source::Process(of_thread(tid)), &addresses), truncated }
}

fn symbolizer() -> Symbolizer {
    Symbolizer::builder().enable_inlined_fns(false).enable_code_info(false).build()
}

/// Innermost first; an address stands for itself where it has no name, and where its process is gone.
fn frames(symbolizer: &Symbolizer, source: &Source, addresses: &[u64]) -> Vec<String> {
    let named = symbolizer.symbolize(source, Input::AbsAddr(addresses)).unwrap_or_default();
    let name = |(place, address): (usize, &u64)| match named.get(place) {
        Some(Symbolized::Sym(symbol)) => symbol.name.to_string(),
        _ => format!("{address:#x}"),
    };
    addresses.iter().enumerate().map(name).collect()
}

/// `/proc` shows a thread's memory map under its own id too.
fn of_thread(tid: u32) -> Process {
    let mut process = Process::new(Pid::from(tid));
    // No debugging information is looked for: it takes more memory than a daemon may have.
    process.debug_syms = false;
    process
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// The symbols of this program are some 100 MB, and take some 100 ms.
    #[test]
    fn nobody_waits_while_names_are_found() {
        let mut names = Names::start().unwrap();
        let address = nobody_waits_while_names_are_found as fn() as usize as u64;
        let stack = Unnamed { id: 7, tid: std::process::id(), addresses: vec![address, 1], truncated: true };
        let began = Instant::now();
        names.find(vec![stack]);
        let asked = began.elapsed();
        let found: Vec<Stack> = names.rest().collect();
        let all = began.elapsed();
        assert_eq!((found.len(), found[0].id, found[0].truncated), (1, 7, true));
        let frames = &found[0].frames;
        assert!(frames[0].contains("nobody_waits_while_names_are_found") && frames[1] == "0x1", "{frames:?}");
        assert!(asked * 2 < all, "{asked:?} of {all:?}");
    }
}
