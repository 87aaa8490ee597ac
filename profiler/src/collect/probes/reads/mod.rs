//! What each program reads of the kernel, found in its own instructions: the fields whose offsets it takes from `OFFSETS`,
//! and the arguments of its tracepoint.
//!
//! A field counts as needed where its offset is used, on whatever path, unless the program has compared the offset with
//! [`MISSING`](abi::fields::MISSING) on the way. What cannot be followed (an index that is no constant, an address that is
//! handed on through a map) is an error, never a field less. Not followed: what helpers do with their arguments, and what a function finds in
//! its caller's frame.

mod code;
mod state;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::BitOr,
};

use abi::fields::{FIELDS, Field};
use anyhow::{Context as _, Result};

use code::Code;

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields([u64; FIELDS.div_ceil(WORD_BITS)]);

const WORD_BITS: usize = u64::BITS as usize;

/// What a program reads, with the functions that it calls.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// Fields without which its results are wrong.
    pub needed: Fields,
    /// Fields that it asks for whether the kernel has them.
    pub asked: Fields,
    /// Positions in its context, each of 8 bytes: a tracepoint's arguments.
    pub arguments: BTreeSet<usize>,
}

/// What each program of the object reads.
pub fn of_programs(object: &[u8]) -> Result<BTreeMap<String, Reads>> {
    let code = Code::parse(object)?;
    let walked = code.programs().map(|(name, entry)| {
        let reads = walk::program(&code, entry).with_context(|| format!("what {name} reads"))?;
        Ok((name.to_owned(), reads))
    });
    walked.collect()
}

impl Fields {
    pub fn contains(self, field: Field) -> bool {
        self.0[field as usize / WORD_BITS] >> (field as usize % WORD_BITS) & 1 != 0
    }

    pub fn without(self, other: Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    pub fn in_both(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    fn with(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|word| combine(self.0[word], other.0[word])))
    }

    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }
}

impl From<Field> for Fields {
    fn from(field: Field) -> Self {
        let mut set = Self::default();
        set.0[field as usize / WORD_BITS] = 1 << (field as usize % WORD_BITS);
        set
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        fields.into_iter().fold(Self::default(), |set, field| set | field.into())
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }
}

#[cfg(test)]
mod tests;
