//! Follows a program along all its paths.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use abi::fields::{Field, MISSING};
use anyhow::{Result, bail, ensure};

use super::{
    Fields, Reads,
    code::{
        Code, Instruction, Named, Place,
        opcode::{self, REGISTER},
    },
    state::{Arguments, State, Value},
};

/// Functions that call each other, as many as the kernel allows.
const MAX_DEPTH: usize = 8;

/// What a program reads that begins there.
pub fn program(code: &Code, entry: Place) -> Result<Reads> {
    let mut walk = Walk { code, reads: Reads::default(), known: HashMap::new() };
    let mut arguments = [Value::Other; 5];
    arguments[0] = Value::Context(0);
    walk.function(entry, arguments, Fields::default(), 0)?;
    Ok(walk.reads)
}

struct Walk<'c> {
    code: &'c Code,
    reads: Reads,
    /// What functions give back.
    known: HashMap<(Place, Arguments, Fields), Value>,
}

impl Walk<'_> {
    /// Gives what the function gives back.
    fn function(
        &mut self,
        entry: Place,
        arguments: Arguments,
        present: Fields,
        depth: usize,
    ) -> Result<Value> {
        let key = (entry, arguments, present);
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        ensure!(depth < MAX_DEPTH, "functions call each other {depth} deep");
        let section = self.code.section(entry.section)?;
        let mut states = BTreeMap::from([(entry.index, State::at_entry(arguments, present))]);
        let mut due = BTreeSet::from([entry.index]);
        let mut result = None;
        while let Some(begin) = due.pop_first() {
            let mut state = states[&begin].clone();
            let mut index = begin;
            loop {
                let instruction = section.at(index)?;
                let place = Place { index, ..entry };
                let jump = instruction.jumps_to(index);
                let mut jumped = jump.map(|_| state.clone());
                let goes_on = self
                    .step(place, instruction, &mut state, jumped.as_mut(), depth)
                    .map_err(|error| error.context(format!("instruction {index} of {}", section.name)))?;
                if let (Some(to), Some(jumped)) = (jump, jumped)
                    && arrive(&mut states, to, jumped)
                {
                    due.insert(to);
                }
                if instruction.opcode == opcode::EXIT {
                    let value = state.registers[0];
                    result = Some(result.map_or(value, |result: Value| result.or(value)));
                }
                if !goes_on {
                    break;
                }
                index += if instruction.opcode == opcode::LOAD_64 { 2 } else { 1 };
                if section.is_target.get(index) == Some(&true) {
                    if arrive(&mut states, index, state) {
                        due.insert(index);
                    }
                    break;
                }
            }
        }
        let result = result.unwrap_or(Value::Other);
        self.known.insert(key, result);
        Ok(result)
    }

    /// Does one instruction; false if the next one does not follow. What holds where it jumps is in `jumped`.
    fn step(
        &mut self,
        place: Place,
        instruction: Instruction,
        state: &mut State,
        jumped: Option<&mut State>,
        depth: usize,
    ) -> Result<bool> {
        let Instruction { opcode, dst, src, immediate, .. } = instruction;
        let named = self.code.section(place.section)?.named.get(&place.index).copied();
        match (opcode & 7, opcode) {
            (_, opcode::LOAD_64) => {
                let high = self.code.section(place.section)?.at(place.index + 1)?.immediate;
                state.registers[dst] = match named {
                    Some(Named::Offsets(at)) => Value::Table(at),
                    Some(Named::Function(callback)) => {
                        self.function(callback, [Value::Other; 5], state.present, depth + 1)?;
                        Value::Other
                    }
                    Some(Named::Other) => Value::Other,
                    None => Value::Constant(u64::from(high as u32) << 32 | u64::from(immediate as u32)),
                };
            }
            (_, opcode::EXIT) => return Ok(false),
            (_, opcode::GOTO | opcode::GOTO_LONG) => return Ok(false),
            (_, opcode::CALL_REGISTER) => bail!("a call of a function that is not known"),
            (_, opcode::CALL) => {
                state.registers[0] = self.call(place, instruction, named, state, depth)?;
                state.registers[1..=5].fill(Value::Other);
            }
            (opcode::LOAD, _) => state.registers[dst] = self.load(instruction, state)?,
            (opcode::STORE | opcode::STORE_IMMEDIATE, _) => self.store(instruction, state)?,
            (opcode::ARITHMETIC | opcode::ARITHMETIC_32, _) => {
                state.registers[dst] = self.arithmetic(instruction, state)?;
            }
            (opcode::JUMP | opcode::JUMP_32, _) => {
                let operand = if opcode & REGISTER != 0 {
                    state.registers[src]
                } else if opcode & 7 == opcode::JUMP_32 {
                    Value::Constant((immediate as u32).into())
                } else {
                    Value::Constant(i64::from(immediate) as u64)
                };
                self.compare(opcode & 0xf0, [state.registers[dst], operand], state, jumped)?;
            }
            _ => bail!("the instruction {opcode:#x} is not known"),
        }
        Ok(true)
    }

    fn call(
        &mut self,
        place: Place,
        instruction: Instruction,
        named: Option<Named>,
        state: &State,
        depth: usize,
    ) -> Result<Value> {
        /// Of the source register: a function of this object.
        const OWN: usize = 1;
        let callee = match named {
            Some(Named::Function(callee)) => callee,
            _ if instruction.src == OWN => {
                let to = place.index.checked_add_signed(instruction.immediate as isize + 1);
                Place { index: to.unwrap_or(usize::MAX), ..place }
            }
            // A helper.
            _ => return Ok(Value::Other),
        };
        // A frame is the caller's own.
        let handed_over = state.arguments().map(|value| match value {
            Value::Frame(_) => Value::Other,
            value => value,
        });
        self.function(callee, handed_over, state.present, depth + 1)
    }

    fn load(&mut self, instruction: Instruction, state: &State) -> Result<Value> {
        let size = size_bytes(instruction.opcode);
        match state.registers[instruction.src].plus(instruction.offset.into()) {
            Value::Table(at) => {
                let field = usize::try_from(at / 4).ok().and_then(|index| Field::ALL.get(index));
                match field {
                    Some(field) if size == 4 && at % 4 == 0 => Ok(Value::Offset((*field).into())),
                    _ => bail!("a load of {size} bytes at {at} in OFFSETS"),
                }
            }
            Value::Frame(at) => Ok(state.slot(at, size)),
            Value::Context(at) => {
                self.reads.arguments.insert(usize::try_from(at / 8)?);
                Ok(Value::Other)
            }
            base => self.spend(base, state).map(|()| Value::Other),
        }
    }

    fn store(&mut self, instruction: Instruction, state: &mut State) -> Result<()> {
        let Instruction { opcode, dst, src, offset, immediate } = instruction;
        let is_atomic = opcode & 0xe0 == opcode::ATOMIC;
        let stored = if opcode & 7 == opcode::STORE { state.registers[src] } else { Value::Other };
        match state.registers[dst].plus(offset.into()) {
            Value::Frame(at) if !is_atomic => state.store(at, size_bytes(opcode), stored),
            Value::Table(at) => bail!("a store at {at} in OFFSETS"),
            base => {
                self.spend(base, state)?;
                self.spend(stored, state)?;
            }
        }
        if is_atomic && immediate & opcode::FETCH != 0 {
            let into = if immediate & opcode::COMPARE == opcode::COMPARE { 0 } else { src };
            state.registers[into] = Value::Other;
        }
        Ok(())
    }

    fn arithmetic(&mut self, instruction: Instruction, state: &State) -> Result<Value> {
        let Instruction { opcode, dst, src, immediate, .. } = instruction;
        let (one, is_whole) = (state.registers[dst], opcode & 7 == opcode::ARITHMETIC);
        let two = match opcode & REGISTER {
            0 => Value::Constant(i64::from(immediate) as u64),
            _ => state.registers[src],
        };
        Ok(match (opcode & 0xf0, one, two) {
            (opcode::MOVE, _, Value::Constant(value)) if !is_whole => Value::Constant((value as u32).into()),
            (opcode::MOVE, _, value @ Value::Offset(_)) => value,
            (opcode::MOVE, _, value) if is_whole => value,
            (opcode::MOVE, _, value) => self.spend(value, state).map(|()| Value::Other)?,
            (opcode::ADD, address, Value::Constant(by)) if is_whole && is_known(address) => {
                address.plus(by as i64)
            }
            (opcode::ADD, Value::Constant(by), address) if is_whole && is_known(address) => {
                address.plus(by as i64)
            }
            (opcode::SUBTRACT, address, Value::Constant(by)) if is_whole && is_known(address) => {
                address.plus((by as i64).wrapping_neg())
            }
            // What makes 32 bits of 64.
            (
                opcode::AND | opcode::SHIFT_LEFT | opcode::SHIFT_RIGHT | opcode::SHIFT_SIGNED,
                offset @ Value::Offset(_),
                Value::Constant(_),
            ) => offset,
            _ => {
                self.spend(one, state)?;
                self.spend(two, state)?;
                Value::Other
            }
        })
    }

    /// A comparison of an offset with [`MISSING`] tells whether the kernel has the field.
    fn compare(
        &mut self,
        operation: u8,
        operands: [Value; 2],
        state: &mut State,
        jumped: Option<&mut State>,
    ) -> Result<()> {
        const IS_MISSING: Value = Value::Constant(MISSING as u64);
        let (is_equality, unequal) = match operation {
            opcode::EQUAL => (true, Some(&mut *state)),
            opcode::NOT_EQUAL => (true, jumped),
            _ => (false, None),
        };
        match operands {
            [Value::Offset(fields), IS_MISSING] | [IS_MISSING, Value::Offset(fields)]
                if is_equality && fields.iter().count() == 1 =>
            {
                self.reads.asked = self.reads.asked | fields;
                if let Some(unequal) = unequal {
                    unequal.present = unequal.present | fields;
                }
                Ok(())
            }
            // Addresses may be compared: nothing is read.
            _ => operands.into_iter().try_for_each(|value| match value {
                Value::Offset(_) => self.spend(value, state),
                _ => Ok(()),
            }),
        }
    }

    /// The value goes into something that is not followed: an offset has been used then.
    fn spend(&mut self, value: Value, state: &State) -> Result<()> {
        match value {
            Value::Offset(fields) => {
                self.reads.needed = self.reads.needed | fields.without(state.present);
            }
            Value::Table(_) => bail!("an address in OFFSETS is used in a way that cannot be followed"),
            Value::Context(_) => bail!("an address in the context is used in a way that cannot be followed"),
            Value::Lost => bail!("an address in OFFSETS or in the context may be meant, and not known where"),
            Value::Other | Value::Constant(_) | Value::Frame(_) => {}
        }
        Ok(())
    }
}

/// Whether a constant can be added and the sum still be known.
fn is_known(value: Value) -> bool {
    matches!(value, Value::Constant(_) | Value::Table(_) | Value::Frame(_) | Value::Context(_))
}

/// Adds a way to an instruction; true if it has to be followed from there once more.
fn arrive(states: &mut BTreeMap<usize, State>, at: usize, state: State) -> bool {
    match states.get_mut(&at) {
        Some(known) => known.join(&state),
        None => states.insert(at, state).is_none(),
    }
}

/// Of a load or store.
fn size_bytes(opcode: u8) -> i64 {
    match opcode & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_TABLE: [[u8; 8]; 2] = [[0x18, 0x02, 0, 0, 0, 0, 0, 0], [0; 8]];
    /// r3 = *(u32 *)(r2 + 8)
    const LOAD_OFFSET: [u8; 8] = [0x61, 0x23, 8, 0, 0, 0, 0, 0];
    /// r1 = *(u64 *)(r1 + 0); r1 += r3; r0 = *(u32 *)(r1 + 0)
    const ARGUMENT: [u8; 8] = [0x79, 0x11, 0, 0, 0, 0, 0, 0];
    const ADD: [u8; 8] = [0x0f, 0x31, 0, 0, 0, 0, 0, 0];
    const LOAD: [u8; 8] = [0x61, 0x10, 0, 0, 0, 0, 0, 0];
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

    /// `OFFSETS` is in R2 before these.
    fn walk(instructions: &[[u8; 8]]) -> Result<(Vec<Field>, Vec<Field>)> {
        let all: Vec<_> = LOAD_TABLE.iter().chain(instructions).copied().collect();
        let (code, entry) = Code::of(&all, BTreeMap::from([(0, Named::Offsets(0))]));
        let reads = program(&code, entry)?;
        Ok((reads.needed.iter().collect(), reads.asked.iter().collect()))
    }

    #[track_caller]
    fn check(instructions: &[[u8; 8]], needed: &[Field], asked: &[Field]) {
        assert_eq!(walk(instructions).unwrap(), (needed.to_vec(), asked.to_vec()));
    }

    #[track_caller]
    fn refused(instructions: &[[u8; 8]], why: &str) {
        let error = format!("{:#}", walk(instructions).unwrap_err());
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn an_offset_is_needed_where_it_is_added_to_an_address() {
        check(&[ARGUMENT, LOAD_OFFSET, ADD, LOAD, EXIT], &[Field::TaskStartTime], &[]);
        check(&[ARGUMENT, LOAD_OFFSET, EXIT], &[], &[]);
    }

    #[test]
    fn what_was_spilled_is_found_again() {
        let spill_table = [0x7b, 0x2a, 0xf8, 0xff, 0, 0, 0, 0];
        let fill_table = [0x79, 0xa2, 0xf8, 0xff, 0, 0, 0, 0];
        let forget = [0xb7, 0x02, 0, 0, 0, 0, 0, 0];
        let spill = [0x63, 0x3a, 0xf0, 0xff, 0, 0, 0, 0];
        let fill = [0x61, 0xa3, 0xf0, 0xff, 0, 0, 0, 0];
        let instructions =
            [ARGUMENT, spill_table, forget, fill_table, LOAD_OFFSET, spill, fill, ADD, LOAD, EXIT];
        check(&instructions, &[Field::TaskStartTime], &[]);
    }

    #[test]
    fn an_offset_that_was_asked_for_is_not_needed_behind_the_question() {
        // if w3 == -1 goto the exit
        let ask = [0x16, 0x03, 3, 0, 0xff, 0xff, 0xff, 0xff];
        let asked = [Field::TaskStartTime];
        check(&[ARGUMENT, LOAD_OFFSET, ask, LOAD_OFFSET, ADD, LOAD, EXIT], &[], &asked);
        // The same, and the way without the field leads there, too.
        let ask = [0x16, 0x03, 0, 0, 0xff, 0xff, 0xff, 0xff];
        check(&[ARGUMENT, LOAD_OFFSET, ask, LOAD_OFFSET, ADD, LOAD, EXIT], &asked, &asked);
    }

    #[test]
    fn an_index_that_is_no_constant_is_refused() {
        // r2 += r4
        let index = [0x0f, 0x42, 0, 0, 0, 0, 0, 0];
        refused(&[ARGUMENT, index, LOAD_OFFSET, ADD, LOAD, EXIT], "cannot be followed");
        // if r4 != 0, r2 += 4
        let (skip, next) = ([0x15, 0x04, 1, 0, 0, 0, 0, 0], [0x07, 0x02, 0, 0, 4, 0, 0, 0]);
        refused(&[ARGUMENT, skip, next, LOAD_OFFSET, ADD, LOAD, EXIT], "not known where");
    }

    #[test]
    fn an_address_that_is_handed_on_is_refused() {
        // *(u64 *)(r1 + 0) = r2, where r1 is an argument.
        refused(&[ARGUMENT, [0x7b, 0x21, 0, 0, 0, 0, 0, 0], EXIT], "cannot be followed");
        // Half a field, and one beyond the last.
        refused(&[[0x61, 0x23, 6, 0, 0, 0, 0, 0], EXIT], "4 bytes at 6 in OFFSETS");
        refused(&[[0x61, 0x23, 0, 0x10, 0, 0, 0, 0], EXIT], "4 bytes at 4096 in OFFSETS");
    }
}
