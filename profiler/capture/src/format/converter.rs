//! Captures of format 4, read as those of format 5: up to November 2026.
//!
//! A record was a length and a postcard-encoded enum, whose variants had the order that kinds have their numbers in. A set
//! highest bit of the length told of events. Only what changed since has its old layout here.

use serde::Deserialize;

use crate::{
    Family, Hook, Label, ProcessSerial, Record, Role,
    records::{EVENTS, decode},
};

pub const VERSION: u32 = 4;

const LENGTH_BYTES: usize = 4;

/// Bit of the length of events.
const ARE_EVENTS: u32 = 1 << 31;

/// [`EVENTS`] or another number, length of this header, and length of the body.
pub fn header(frame: &[u8]) -> Option<(u32, usize, usize)> {
    let length = u32::from_le_bytes(*frame.first_chunk()?);
    let number = if length & ARE_EVENTS == 0 { 0 } else { EVENTS };
    Some((number, LENGTH_BYTES, (length & !ARE_EVENTS) as usize))
}

/// The record of a body; `None` for a kind that format 4 did not have.
pub fn record(body: &[u8]) -> Option<postcard::Result<Record>> {
    let (variant, body) = match postcard::take_from_bytes::<u32>(body) {
        Ok(taken) => taken,
        Err(error) => return Some(Err(error)),
    };
    match variant {
        FAMILY => Some(decode(body).map(family)),
        LABEL => Some(decode(body).map(label)),
        LAST.. => None,
        _ => Record::decode(variant + 1, body),
    }
}

const FAMILY: u32 = 3;
const LABEL: u32 = 4;
/// One more than the last.
const LAST: u32 = 32;

#[derive(Deserialize)]
struct OldFamily {
    name: String,
    hooks: Vec<String>,
    missing: Option<String>,
}

fn family(old: OldFamily) -> Record {
    let hooks = old.hooks.iter().map(|hook| match hook.split_once(" instead of ") {
        Some((name, first)) => Hook { name: name.to_owned(), instead_of: Some(first.to_owned()) },
        None => Hook::new(hook.as_str()),
    });
    // Names of families changed with the words for what they see.
    let name = match old.name.as_str() {
        "TCP's holding and arrivals" => "send-queue state and arrivals",
        name => name,
    };
    Record::Family(match old.missing.as_deref() {
        Some("not asked for") => Family::left_out(name),
        _ => Family::attached(name, hooks.collect(), old.missing),
    })
}

#[derive(Deserialize)]
struct OldLabel {
    process: ProcessSerial,
    label: String,
    role: String,
    program: Option<String>,
}

fn label(old: OldLabel) -> Record {
    let role = match old.role.as_str() {
        "seeder" => Role::Seeder,
        "leecher" => Role::Leecher,
        _ => Role::Other,
    };
    Record::Label(Label { process: old.process, label: old.label, role, program: old.program })
}
