//! Attaches one program, or those that stand in for it.

use std::collections::BTreeMap;

use abi::fields::Field;
use anyhow::{Context as _, Result, bail};
use aya::{Btf, Ebpf, programs};

use crate::collect::probes::{btf, families::Program, links::Links, reads::Reads};
use capture::Hook;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// What attaching goes by.
pub struct Known<'t> {
    pub points: BTreeMap<String, AttachPoint>,
    pub reads: BTreeMap<String, Reads>,
    pub types: &'t btf_rs::Btf,
    pub kernel: &'t Btf,
    pub missing: Vec<(Field, String)>,
    /// Whether the kernel shows where its functions are.
    pub functions: bool,
}

/// Where a program is attached, as the object names it.
pub struct AttachPoint {
    /// `tp_btf`, `fentry` or `fexit`
    pub kind: &'static str,
    /// The tracepoint, or the function.
    pub target: String,
}

/// The attach point of each program that has one in the object.
pub fn points(object: &[u8]) -> Result<BTreeMap<String, AttachPoint>> {
    let file = object::File::parse(object).context("parse the eBPF object")?;
    let mut points = BTreeMap::new();
    for symbol in file.symbols() {
        if let Some(index) = symbol.section_index()
            && let Some((kind, target)) = file.section_by_index(index)?.name()?.split_once('/')
            && let Some(kind) = ["tp_btf", "fentry", "fexit"].into_iter().find(|known| *known == kind)
            && let Ok(name) = symbol.name()
            && !name.is_empty()
        {
            points.insert(name.to_owned(), AttachPoint { kind, target: target.to_owned() });
        }
    }
    Ok(points)
}

/// Adds the hook, or those of the second choice, and why any of it cannot be attached.
pub fn attach(
    ebpf: &mut Ebpf,
    program: &Program,
    known: &Known<'_>,
    links: &mut Links,
    hooks: &mut Vec<Hook>,
    reasons: &mut Vec<String>,
) {
    let error = match attach_program(ebpf, program, known, links) {
        Ok(name) => return hooks.push(Hook::new(name)),
        Err(error) => error,
    };
    let first = known.points.get(program.name).map_or(program.name, |point| point.target.as_str());
    let mut failed = Vec::new();
    for choice in program.instead {
        match attach_program(ebpf, choice, known, links) {
            Ok(name) => hooks.push(Hook { name, instead_of: Some(first.to_owned()) }),
            Err(error) => failed.push(format!("{}: {error:#}", choice.name)),
        }
    }
    if program.instead.is_empty() || !failed.is_empty() {
        failed.insert(0, format!("{}: {error:#}", program.name));
        reasons.append(&mut failed);
    }
}

/// Gives the hook's name.
fn attach_program(
    ebpf: &mut Ebpf,
    program: &Program,
    known: &Known<'_>,
    links: &mut Links,
) -> Result<String> {
    let reads = known.reads.get(program.name);
    let reads = reads.with_context(|| format!("the object has no program {}", program.name))?;
    check_fields(reads, &known.missing)?;
    let loaded = ebpf.program_mut(program.name);
    let loaded = loaded.with_context(|| format!("the object has no program {}", program.name))?;
    let Some(AttachPoint { kind, target }) = known.points.get(program.name) else {
        let events: &mut programs::PerfEvent = loaded.try_into()?;
        events.load().context("load for perf events")?;
        links.attach(ebpf, program.name)?;
        return Ok("perf_event/cpu-clock".to_owned());
    };
    check_parameters(program, kind, target, known.types)?;
    match loaded {
        programs::Program::FEntry(entry) => {
            entry
                .load(target, known.kernel)
                .with_context(|| format!("load for the beginning of {target}"))?;
        }
        programs::Program::FExit(exit) => {
            exit.load(target, known.kernel).with_context(|| format!("load for the end of {target}"))?;
        }
        other => {
            let tracepoint: &mut programs::BtfTracePoint = other.try_into()?;
            tracepoint.load(target, known.kernel).with_context(|| format!("load for {target}"))?;
        }
    }
    links.attach(ebpf, program.name).with_context(|| format!("attach to {target}"))?;
    Ok(format!("{kind}/{target}"))
}

/// That the kernel has what the program reads.
fn check_fields(reads: &Reads, missing: &[(Field, String)]) -> Result<()> {
    match missing.iter().find(|(field, _)| reads.needed.contains(*field)) {
        Some((_, why)) => bail!("{why}"),
        None => Ok(()),
    }
}

/// That the kernel has the arguments where the program reads them.
fn check_parameters(program: &Program, kind: &str, target: &str, types: &btf_rs::Btf) -> Result<()> {
    let found = match kind {
        "fentry" | "fexit" => btf::function_parameters(types, target)?,
        _ => btf::tracepoint_parameters(types, target)?,
    };
    // A function's result stands behind its last parameter.
    let compared = if kind == "fexit" { found.len() } else { program.parameters.len().min(found.len()) };
    if found[..compared] != *program.parameters {
        bail!(
            "{target} has the parameters ({}) in this kernel, the probe knows ({})",
            found.join(", "),
            program.parameters.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::probes::{OBJECT, families, reads};

    /// Each field that this kernel could lack, one after the other.
    #[test]
    fn a_program_is_refused_without_a_field_that_it_reads_and_with_all_others_missing_is_not() {
        let reads = reads::of_programs(OBJECT).unwrap();
        let missing = |field: Field| (field, format!("this kernel has no {}", field.path().1));
        for program in families::programs() {
            let reads = &reads[program.name];
            for field in reads.needed.iter() {
                let error = check_fields(reads, &[missing(field)]).unwrap_err();
                assert_eq!(error.to_string(), missing(field).1, "{}", program.name);
            }
            let others = Field::ALL.iter().copied().filter(|field| !reads.needed.contains(*field));
            check_fields(reads, &others.map(missing).collect::<Vec<_>>()).unwrap();
        }
    }
}
