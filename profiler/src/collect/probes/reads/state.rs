//! What registers and the stack may hold at an instruction.

use super::Fields;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// None of what follows.
    Other,
    Constant(u64),
    /// An address so many bytes into `OFFSETS`.
    Table(i64),
    /// An address relative to the end of this function's frame.
    Frame(i64),
    /// An address so many bytes into the program's context.
    Context(i64),
    /// The offset of one of these fields, or something else.
    Offset(Fields),
    /// Perhaps an address in `OFFSETS` or in the context, and not known where.
    Lost,
}

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub registers: [Value; 11],
    /// By their place in the frame, with their size; those that are not here hold something else.
    slots: Vec<(i64, i64, Value)>,
    /// Fields that the kernel is known to have here.
    pub present: Fields,
}

pub const FRAME_POINTER: usize = 10;

/// R1 to R5.
pub type Arguments = [Value; 5];

impl Value {
    pub fn or(self, other: Self) -> Self {
        use Value::*;
        match (self, other) {
            (one, two) if one == two => one,
            (Offset(one), Offset(two)) => Offset(one | two),
            (Table(_) | Context(_) | Lost, _) | (_, Table(_) | Context(_) | Lost) => Lost,
            (Offset(fields), _) | (_, Offset(fields)) => Offset(fields),
            _ => Other,
        }
    }

    /// The same address so many bytes further.
    pub fn plus(self, bytes: i64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value.wrapping_add_signed(bytes)),
            Self::Table(at) => Self::Table(at.wrapping_add(bytes)),
            Self::Frame(at) => Self::Frame(at.wrapping_add(bytes)),
            Self::Context(at) => Self::Context(at.wrapping_add(bytes)),
            other => other,
        }
    }
}

impl State {
    pub fn at_entry(arguments: Arguments, present: Fields) -> Self {
        let mut registers = [Value::Other; 11];
        registers[1..=arguments.len()].copy_from_slice(&arguments);
        registers[FRAME_POINTER] = Value::Frame(0);
        Self { registers, slots: Vec::new(), present }
    }

    pub fn arguments(&self) -> Arguments {
        std::array::from_fn(|index| self.registers[index + 1])
    }

    /// Adds another way to the same instruction; true if that says more than was known.
    pub fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for (value, other) in self.registers.iter_mut().zip(other.registers) {
            *value = value.or(other);
        }
        for (at, size, value) in &mut self.slots {
            *value = value.or(other.slot(*at, *size));
        }
        for (at, size, value) in &other.slots {
            if !self.slots.iter().any(|(known, _, _)| known == at) {
                self.slots.push((*at, *size, value.or(Value::Other)));
            }
        }
        self.present = self.present.in_both(other.present);
        *self != before
    }

    pub fn store(&mut self, at: i64, size: i64, value: Value) {
        self.slots.retain(|(other, length, _)| at + size <= *other || other + length <= at);
        if value != Value::Other {
            self.slots.push((at, size, value));
        }
    }

    pub fn slot(&self, at: i64, size: i64) -> Value {
        let overlapping =
            self.slots.iter().filter(|(other, length, _)| at < other + length && *other < at + size);
        overlapping.fold(Value::Other, |all, (other, length, value)| match value {
            whole if (*other, *length) == (at, size) => *whole,
            Value::Constant(_) | Value::Frame(_) => all,
            part => all.or(*part),
        })
    }
}
