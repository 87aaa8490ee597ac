//! Folded stacks, for flame graphs of other tools: the path of each phase, a line for each stack, in µs.

use std::io::Write;

use analysis::figures::Frame;
use anyhow::Result;

use super::{Format, Source, sections::cells::clean};

pub struct Folded;

impl Format for Folded {
    fn name(&self) -> &'static str {
        "folded"
    }

    fn extension(&self) -> &'static str {
        "folded"
    }

    fn draws(&self) -> bool {
        true
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        for (transfer, figure) in source.report.transfers.iter().zip(&source.figures.transfers) {
            for (phase, flame) in transfer.phases.iter().zip(&figure.flames) {
                let root = format!("{};{} to {}", name(&transfer.label), phase.from, phase.to);
                for stack in &flame.stacks {
                    let frames: String =
                        stack.frames.iter().map(|frame| format!(";{}", text(frame))).collect();
                    writeln!(out, "{root}{frames} {}", (stack.seconds * 1e6).round())?;
                }
            }
        }
        Ok(())
    }
}

/// A frame as tools for folded stacks write it: `_[k]` behind the kernel's, brackets around what is no function.
fn text(frame: &Frame) -> String {
    match frame {
        Frame::Process(own) | Frame::Thread(own) | Frame::User(own) => name(own),
        Frame::Kernel(own) => format!("{}_[k]", name(own)),
        Frame::Share(share) => format!("[{share}]"),
    }
}

/// A semicolon would begin another frame.
fn name(name: &str) -> String {
    clean(name).replace(';', ",")
}
