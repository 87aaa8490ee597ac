//! How rows become bytes: what is as in the row before takes a byte, and numbers are steps from it.
//!
//! A row names its fields once; the packer reads them, and the unpacker writes them.

use serde::{Serialize, de::DeserializeOwned};

/// Takes or gives the fields of a row, each beside that of the row before.
pub trait Codec {
    /// A number that is near the other one.
    fn step(&mut self, number: &mut u64, before: u64);

    /// A number that is near the other one, modulo 4 GiB.
    fn step32(&mut self, number: &mut u32, before: u32);

    /// Anything that is mostly the same.
    fn like<T: Copy + PartialEq + Serialize + DeserializeOwned>(&mut self, field: &mut T, before: T);

    fn some(&mut self, number: &mut Option<u64>, before: u64) {
        let mut is_some = number.is_some();
        self.like(&mut is_some, false);
        if is_some {
            self.step(number.get_or_insert(before), before);
        } else {
            *number = None;
        }
    }

    fn some32(&mut self, number: &mut Option<u32>, before: Option<u32>) {
        let mut is_some = number.is_some();
        self.like(&mut is_some, before.is_some());
        if is_some {
            let before = before.unwrap_or_default();
            self.step32(number.get_or_insert(before), before);
        } else {
            *number = None;
        }
    }
}

/// More than a field takes.
const FIELD_BYTES: usize = 128;

pub struct Packer<'p> {
    pub packed: &'p mut Vec<u8>,
}

impl Packer<'_> {
    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.packed.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.packed.push(number as u8);
    }
}

impl Codec for Packer<'_> {
    fn step(&mut self, number: &mut u64, before: u64) {
        let step = number.wrapping_sub(before) as i64;
        self.number((step.wrapping_shl(1) ^ (step >> 63)) as u64);
    }

    fn step32(&mut self, number: &mut u32, before: u32) {
        let step = number.wrapping_sub(before) as i32;
        self.number(u64::from((step.wrapping_shl(1) ^ (step >> 31)) as u32));
    }

    fn like<T: Copy + PartialEq + Serialize + DeserializeOwned>(&mut self, field: &mut T, before: T) {
        let is_other = *field != before;
        self.packed.push(is_other.into());
        if is_other {
            let mut bytes = [0; FIELD_BYTES];
            self.packed.extend_from_slice(
                postcard::to_slice(field, &mut bytes).expect("a field has a form in bytes"),
            );
        }
    }
}

/// Of bytes that a [`Packer`] made.
pub struct Unpacker<'p> {
    pub packed: &'p [u8],
}

impl Unpacker<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.packed.split_first().expect("it was packed here");
        self.packed = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }
}

impl Codec for Unpacker<'_> {
    fn step(&mut self, number: &mut u64, before: u64) {
        let step = self.number();
        *number = before.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
    }

    fn step32(&mut self, number: &mut u32, before: u32) {
        let step = self.number() as u32;
        *number = before.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
    }

    fn like<T: Copy + PartialEq + Serialize + DeserializeOwned>(&mut self, field: &mut T, before: T) {
        *field = if self.byte() == 0 {
            before
        } else {
            let (field, rest) = postcard::take_from_bytes(self.packed).expect("it was packed here");
            self.packed = rest;
            field
        };
    }
}
