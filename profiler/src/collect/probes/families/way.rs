//! What programs read only where the kernel has it, so that they work without.

use abi::fields::Field;
use btf_rs::Btf;

use super::Family;
use crate::collect::probes::btf;

/// Where the kernel says something.
pub enum Way {
    /// In each of these fields.
    Fields(&'static [Field]),
    Enumerator(&'static str),
    /// The last: what is done where it does not.
    Without(&'static str),
}

/// How this kernel says it, or why it does not.
pub fn find(family: &Family, types: &Btf, missing: &[(Field, String)]) -> Result<String, String> {
    let mut reasons = Vec::new();
    for way in family.ways {
        match look_up(way, types, missing) {
            Ok(found) => return Ok(found),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

fn look_up(way: &Way, types: &Btf, missing: &[(Field, String)]) -> Result<String, String> {
    match way {
        Way::Fields(fields) => match missing.iter().find(|(field, _)| fields.contains(field)) {
            Some((_, why)) => Err(why.clone()),
            None => {
                let paths = fields.iter().map(|field| field.path());
                let paths = paths.map(|(structure, path)| format!("{structure}.{path}"));
                Ok(paths.collect::<Vec<_>>().join(" and "))
            }
        },
        Way::Without(what) => Ok((*what).to_owned()),
        Way::Enumerator(name) => match btf::enumerator(types, name) {
            Some(_) => Ok((*name).to_owned()),
            None => Err(format!("this kernel has no {name}")),
        },
    }
}
