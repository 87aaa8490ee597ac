//! Offsets of structure fields and parameters of tracepoints, from the running kernel's BTF.

use std::fs;

use abi::fields::{FIELDS, Field, MISSING};
use anyhow::{Context as _, Result, bail};
use btf_rs::{Btf, Enum, Struct, Type};
use fallible_iterator::FallibleIterator as _;

/// Where the kernel describes its own types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Types of the running kernel.
pub fn open() -> Result<Btf> {
    // Read whole: parsing it from the file takes a hundred thousand system calls.
    let parsed =
        fs::read(VMLINUX).map_err(anyhow::Error::from).and_then(|bytes| Ok(Btf::from_bytes(&bytes)?));
    parsed.with_context(|| {
        format!(
            "read {VMLINUX}: the probes find the kernel's structures there. It needs a kernel built with \
             CONFIG_DEBUG_INFO_BTF=y, as distributions' kernels since 5.10 are, and /sys mounted"
        )
    })
}

/// The offset of every field in bytes, `MISSING` for those that this kernel does not have, and why.
pub fn offsets(btf: &Btf) -> ([u32; FIELDS], Vec<(Field, String)>) {
    let mut offsets = [MISSING; FIELDS];
    let mut missing = Vec::new();
    for &field in Field::ALL {
        match offset(btf, field) {
            Ok(offset) => offsets[field as usize] = offset,
            Err(error) => missing.push((field, format!("{error:#}"))),
        }
    }
    (offsets, missing)
}

/// The names of a tracepoint's parameters, in order, without the private first one.
pub fn tracepoint_parameters(btf: &Btf, tracepoint: &str) -> Result<Vec<String>> {
    // The function that calls the probes of a tracepoint keeps the names; the typedef of its prototype does not.
    let mut names = parameters(btf, &format!("__traceiter_{tracepoint}"), tracepoint)?;
    names.remove(0);
    Ok(names)
}

/// The names of a function's parameters, in order.
pub fn function_parameters(btf: &Btf, name: &str) -> Result<Vec<String>> {
    parameters(btf, name, name)
}

/// The parameters of a function, which stands for what the user knows.
fn parameters(btf: &Btf, name: &str, known_as: &str) -> Result<Vec<String>> {
    let types = btf.resolve_types_by_name(name).with_context(|| format!("this kernel has no {known_as}"))?;
    let function = types
        .into_iter()
        .find_map(|found| match found {
            Type::Func(function) => Some(function),
            _ => None,
        })
        .with_context(|| format!("this kernel has no {known_as}"))?;
    match btf.resolve_chained_type(&function)? {
        Type::FuncProto(prototype) => prototype.parameters.iter().map(|p| Ok(btf.resolve_name(p)?)).collect(),
        other => bail!("{name} is a {} in BTF, not a function", other.name()),
    }
}

/// The value of an enumerator, wherever it is declared.
pub fn enumerator(btf: &Btf, name: &str) -> Option<u32> {
    let value = |found: &Enum| {
        let member =
            found.members.iter().find(|member| btf.resolve_name(*member).is_ok_and(|found| found == name))?;
        Some(member.val())
    };
    btf.type_iter()
        .find_map(|found| Ok(if let Type::Enum(found) = found { value(&found) } else { None }))
        .ok()
        .flatten()
}

/// Names and values of an enumeration; none where the kernel lacks it.
pub fn enumerators(btf: &Btf, name: &str) -> Vec<(String, u32)> {
    let types = btf.resolve_types_by_name(name).unwrap_or_default();
    let found = types.into_iter().find_map(|found| match found {
        Type::Enum(found) => Some(found),
        _ => None,
    });
    let members = found.iter().flat_map(|found| &found.members);
    members.filter_map(|member| Some((btf.resolve_name(member).ok()?, member.val()))).collect()
}

/// The number of a bit field's first bit inside its structure.
pub fn bit(btf: &Btf, structure: &str, path: &str) -> Result<u32> {
    locate(btf, structure, path).map(|(bits, _)| bits)
}

fn offset(btf: &Btf, field: Field) -> Result<u32> {
    let (structure, paths) = field.path();
    let path = paths.split('|').find(|path| locate(btf, structure, path).is_ok()).unwrap_or(paths);
    let (bits, member) = locate(btf, structure, path)?;
    let size = size_bytes(btf, &member)?;
    if size != field.size_bytes() {
        bail!("{structure}.{path} has {size} bytes in this kernel, the probes read {}", field.size_bytes());
    }
    if bits % 8 != 0 {
        bail!("{structure}.{path} is a bit field in this kernel");
    }
    Ok(bits / 8)
}

/// Where a member is, in bits, and its type.
fn locate(btf: &Btf, structure: &str, path: &str) -> Result<(u32, Type)> {
    let mut current = btf
        .resolve_types_by_name(structure)
        .ok()
        .and_then(|types| types.into_iter().find_map(as_struct))
        .with_context(|| format!("this kernel has no struct {structure}"))?;
    let mut bits = 0;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let (member_bits, member) = find_member(btf, &current, part)
            .with_context(|| format!("this kernel's struct {structure} has no {path}"))?;
        bits += member_bits;
        if parts.peek().is_none() {
            return Ok((bits, member));
        }
        current = as_struct(member).with_context(|| format!("{structure}.{path}: {part} is no structure"))?;
    }
    bail!("an empty path in {structure}")
}

/// A member by name, also inside unnamed structures and unions: its offset in bits, and its type.
fn find_member(btf: &Btf, structure: &Struct, name: &str) -> Option<(u32, Type)> {
    for member in &structure.members {
        let member_type = strip(btf, btf.resolve_chained_type(member).ok()?)?;
        let member_name = btf.resolve_name(member).unwrap_or_default();
        if member_name == name {
            return Some((member.bit_offset(), member_type));
        }
        if member_name.is_empty()
            && let Some(inner) = as_struct(member_type)
            && let Some((bits, found)) = find_member(btf, &inner, name)
        {
            return Some((member.bit_offset() + bits, found));
        }
    }
    None
}

/// Follows typedefs and qualifiers.
fn strip(btf: &Btf, mut current: Type) -> Option<Type> {
    loop {
        current = match &current {
            Type::Typedef(t) => btf.resolve_chained_type(t).ok()?,
            Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => btf.resolve_chained_type(t).ok()?,
            Type::TypeTag(t) => btf.resolve_chained_type(t).ok()?,
            _ => return Some(current),
        };
    }
}

fn as_struct(found: Type) -> Option<Struct> {
    match found {
        Type::Struct(structure) | Type::Union(structure) => Some(structure),
        _ => None,
    }
}

fn size_bytes(btf: &Btf, found: &Type) -> Result<u64> {
    Ok(match found {
        Type::Ptr(_) => 8,
        Type::Int(int) => int.size() as u64,
        Type::Enum(e) => e.size() as u64,
        Type::Struct(s) | Type::Union(s) => s.size() as u64,
        Type::Array(array) => {
            let element = btf.resolve_chained_type(array)?;
            let element = strip(btf, element).context("an array of an unknown type")?;
            array.len() as u64 * size_bytes(btf, &element)?
        }
        other => bail!("a {} has no size", other.name()),
    })
}
