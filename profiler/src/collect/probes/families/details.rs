//! What programs read only where the kernel has it, so that they work without. Each is a family of its own: what a
//! report then lacks has a name.

use abi::fields::Field::{self, *};
use btf_rs::Btf;

use crate::collect::probes::btf;

pub struct Detail {
    pub name: &'static str,
    /// What a report lacks without it.
    pub counts: &'static str,
    /// As of a [`Family`](super::Family).
    pub is_counter: bool,
    /// Where the kernel says it, the newest way first; any one is enough.
    parts: &'static [Part],
}

enum Part {
    /// Each of them.
    Fields(&'static [Field]),
    Enumerator(&'static str),
}

pub const DETAILS: &[Detail] = &[
    Detail {
        name: "CPU quota",
        counts: "off-CPU time because of a quota, which are run queue time without it",
        is_counter: false,
        parts: &[Part::Fields(&[TaskThrottled]), Part::Fields(&[TaskQueue, QueueThrottled])],
    },
    Detail {
        name: "pinned pages",
        counts: "whose direct I/O it is, from memory that is not anonymous",
        is_counter: true,
        parts: &[Part::Enumerator("BIO_PAGE_PINNED")],
    },
];

/// How this kernel says it, or why it does not.
pub fn find(detail: &Detail, types: &Btf, missing: &[(Field, String)]) -> Result<String, String> {
    let mut reasons = Vec::new();
    for part in detail.parts {
        match look_up(part, types, missing) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

fn look_up(part: &Part, types: &Btf, missing: &[(Field, String)]) -> Result<String, String> {
    match part {
        Part::Fields(fields) => match missing.iter().find(|(field, _)| fields.contains(field)) {
            Some((_, why)) => Err(why.clone()),
            None => {
                let paths = fields.iter().map(|field| field.path());
                let paths = paths.map(|(structure, path)| format!("{structure}.{path}"));
                Ok(paths.collect::<Vec<_>>().join(" and "))
            }
        },
        Part::Enumerator(name) => match btf::enumerator(types, name) {
            Some(_) => Ok((*name).to_owned()),
            None => Err(format!("this kernel has no {name}")),
        },
    }
}
