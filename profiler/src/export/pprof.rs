//! pprof's profile: the path of each phase by stack, with two values, samples and nanoseconds, and labels to focus on.
//!
//! The messages are a part of `profile.proto` of github.com/google/pprof, by its numbers of fields.

use std::{collections::HashMap, io::Write};

use analysis::figures::Frame;
use anyhow::Result;
use prost::Message;

use super::{Format, Source, sections::cells::clean};

pub struct Pprof;

impl Format for Pprof {
    fn name(&self) -> &'static str {
        "pprof"
    }

    fn extension(&self) -> &'static str {
        "pb"
    }

    fn draws(&self) -> bool {
        true
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()> {
        let mut names = Names::default();
        let count = ValueType { r#type: names.text("stacks"), unit: names.text("count") };
        let time = ValueType { r#type: names.text("path"), unit: names.text("nanoseconds") };
        let mut profile = Profile { sample_type: vec![count, time], ..Profile::default() };
        for (transfer, figure) in source.report.transfers.iter().zip(&source.figures.transfers) {
            for (phase, flame) in transfer.phases.iter().zip(&figure.flames) {
                for stack in &flame.stacks {
                    profile.sample.push(sample(&mut names, transfer, phase, stack));
                }
                profile.duration_nanos += (phase.wall_s * 1e9).round() as i64;
            }
        }
        profile.default_sample_type = names.text("path");
        let functions = names.functions.len() as u64;
        profile.location =
            (1..=functions).map(|id| Location { id, line: vec![Line { function_id: id }] }).collect();
        profile.function = names.functions_in_order();
        profile.string_table = names.texts_in_order();
        Ok(out.write_all(&profile.encode_to_vec())?)
    }
}

fn sample(
    names: &mut Names,
    transfer: &analysis::report::TransferReport,
    phase: &analysis::report::Phase,
    stack: &analysis::figures::Folded,
) -> Sample {
    let mut label = |key: &str, text: &str| Label { key: names.text(key), str: names.text(text) };
    let mut labels = vec![
        label("transfer", &clean(&transfer.label)),
        label("phase", &format!("{}_to_{}", phase.from, phase.to)),
    ];
    for frame in &stack.frames {
        match frame {
            Frame::Process(name) => labels.push(label("process", &clean(name))),
            Frame::Thread(name) => labels.push(label("thread", &clean(name))),
            Frame::Share(name) => labels.push(label("cause", name)),
            Frame::User(_) | Frame::Kernel(_) => {}
        }
    }
    Sample {
        // The innermost first.
        location_id: stack.frames.iter().rev().map(|frame| names.function(frame)).collect(),
        value: vec![1, (stack.seconds * 1e9).round() as i64],
        label: labels,
    }
}

/// Texts and functions by their numbers; the first text is empty.
struct Names {
    texts: HashMap<String, i64>,
    functions: HashMap<(String, &'static str), u64>,
}

impl Default for Names {
    fn default() -> Self {
        Self { texts: HashMap::from([(String::new(), 0)]), functions: HashMap::new() }
    }
}

impl Names {
    fn text(&mut self, text: &str) -> i64 {
        let next = self.texts.len() as i64;
        *self.texts.entry(text.to_owned()).or_insert(next)
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let (name, file) = match frame {
            Frame::Process(name) => (clean(name), "process"),
            Frame::Thread(name) => (clean(name), "thread"),
            Frame::User(name) => (clean(name), "user"),
            Frame::Kernel(name) => (clean(name), "kernel"),
            Frame::Share(name) => (format!("[{name}]"), "cause"),
        };
        let next = self.functions.len() as u64 + 1;
        *self.functions.entry((name, file)).or_insert(next)
    }

    fn functions_in_order(&mut self) -> Vec<Function> {
        let mut all: Vec<_> =
            self.functions.iter().map(|((name, file), id)| (*id, name.clone(), *file)).collect();
        all.sort_unstable();
        let function = |(id, name, file): (u64, String, &str)| Function {
            id,
            name: self.text(&name),
            filename: self.text(file),
        };
        all.into_iter().map(function).collect()
    }

    fn texts_in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.texts.into_iter().collect();
        all.sort_unstable_by_key(|(_, id)| *id);
        all.into_iter().map(|(text, _)| text).collect()
    }
}

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}
