//! Attaches one program, or those that stand in for it.

use std::collections::BTreeMap;

use abi::fields::Field;
use anyhow::{Context as _, Error, Result, bail};
use aya::{
    Btf, Ebpf,
    programs::{
        BtfTracePoint, FExit, PerfEvent,
        perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent},
    },
    util::online_cpus,
};

use crate::collect::probes::{
    btf,
    families::{AttachPoint, Program, second},
};
use capture::Hook;

/// No multiple of the kernel's tick, so that the two do not stay in step.
const SAMPLE_INTERVAL_NS: u64 = 1_999_993;

/// What attaching goes by.
pub struct Known {
    pub points: BTreeMap<String, AttachPoint>,
    pub types: btf_rs::Btf,
    pub kernel: Btf,
    pub missing: Vec<(Field, String)>,
}

/// Adds the hook, or those of the second choice, and why any of it cannot be attached.
pub fn attach(
    ebpf: &mut Ebpf,
    program: &Program,
    known: &Known,
    hooks: &mut Vec<Hook>,
    reasons: &mut Vec<String>,
) {
    let error = match attach_program(ebpf, program, &[], known) {
        Ok(name) => return hooks.push(Hook::new(name)),
        Err(error) => error,
    };
    let second = second::instead_of(program.name);
    let first = known.points.get(program.name).map_or(program.name, |point| point.target.as_str());
    let mut failed = Vec::new();
    for choice in second {
        match attach_program(ebpf, &choice.program, choice.fields, known) {
            Ok(name) => hooks.push(Hook { name, instead_of: Some(first.to_owned()) }),
            Err(error) => failed.push(format!("{}: {error:#}", choice.program.name)),
        }
    }
    if second.is_empty() || !failed.is_empty() {
        failed.insert(0, format!("{}: {error:#}", program.name));
        reasons.append(&mut failed);
    }
}

/// Gives the hook's name.
fn attach_program(
    ebpf: &mut Ebpf,
    program: &Program,
    more_fields: &[Field],
    known: &Known,
) -> Result<String> {
    let Some(AttachPoint { kind, target }) = known.points.get(program.name) else {
        attach_samples(ebpf, program.name)?;
        return Ok("perf_event/cpu-clock".to_owned());
    };
    check(program, more_fields, kind, target, known)?;
    match loaded(ebpf, program.name)? {
        aya::programs::Program::FExit(exit) => attach_exit(exit, target, &known.kernel)?,
        other => attach_tracepoint(other.try_into()?, target, &known.kernel)?,
    }
    Ok(format!("{kind}/{target}"))
}

/// That the kernel has what the program reads, where the program reads it.
fn check(program: &Program, more_fields: &[Field], kind: &str, target: &str, known: &Known) -> Result<()> {
    let found = match kind {
        "fexit" => btf::function_parameters(&known.types, target)?,
        _ => btf::tracepoint_parameters(&known.types, target)?,
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
    let needed = |field: &Field| program.fields.contains(field) || more_fields.contains(field);
    match known.missing.iter().find(|(field, _)| needed(field)) {
        Some((_, why)) => bail!("{why}"),
        None => Ok(()),
    }
}

fn attach_tracepoint(program: &mut BtfTracePoint, tracepoint: &str, kernel: &Btf) -> Result<()> {
    program.load(tracepoint, kernel).with_context(|| format!("load for {tracepoint}"))?;
    program.attach().with_context(|| format!("attach to {tracepoint}"))?;
    Ok(())
}

fn attach_exit(program: &mut FExit, function: &str, kernel: &Btf) -> Result<()> {
    program.load(function, kernel).with_context(|| format!("load for the end of {function}"))?;
    program.attach().with_context(|| format!("attach to the end of {function}"))?;
    Ok(())
}

/// Samples every CPU that is online; one that comes later is not sampled.
fn attach_samples(ebpf: &mut Ebpf, name: &str) -> Result<()> {
    let loaded: &mut PerfEvent = loaded(ebpf, name)?.try_into()?;
    loaded.load().context("load for perf events")?;
    let cpus = online_cpus().map_err(|(path, error)| Error::new(error).context(format!("read {path}")))?;
    for cpu in cpus {
        let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
        let scope = PerfEventScope::AllProcessesOneCpu { cpu };
        loaded
            .attach(clock, scope, SamplePolicy::Period(SAMPLE_INTERVAL_NS), false)
            .with_context(|| format!("open a cpu-clock event on CPU {cpu}"))?;
    }
    Ok(())
}

fn loaded<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut aya::programs::Program> {
    ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))
}
