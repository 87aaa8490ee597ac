//! The object's instructions, with the symbols that they name.

use std::collections::{BTreeMap, HashMap};

use abi::fields::FIELDS;
use anyhow::{Context as _, Result, bail};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SectionKind,
    SymbolKind, SymbolSection,
};

/// The array of offsets that the probes read.
const OFFSETS: &str = "OFFSETS";

const INSTRUCTION_BYTES: usize = 8;

/// An instruction's place: its section, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub section: SectionIndex,
    pub index: usize,
}

/// As the kernel defines it (`struct bpf_insn`).
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    pub opcode: u8,
    pub dst: usize,
    pub src: usize,
    pub offset: i16,
    pub immediate: i32,
}

/// What an instruction's relocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// So many bytes into `OFFSETS`.
    Offsets(i64),
    Function(Place),
    /// A map, or another global.
    Other,
}

#[derive(Default)]
pub struct Section {
    pub name: String,
    pub instructions: Vec<Instruction>,
    pub named: BTreeMap<usize, Named>,
    /// Whether a jump leads to an instruction.
    pub is_target: Vec<bool>,
}

pub struct Code {
    sections: HashMap<SectionIndex, Section>,
    programs: BTreeMap<String, Place>,
}

impl Code {
    pub fn parse(object: &[u8]) -> Result<Self> {
        let file = object::File::parse(object).context("parse the eBPF object")?;
        let table = file.symbol_by_name(OFFSETS).context("the object has no OFFSETS")?;
        let table_section = table.section_index().context("OFFSETS stands in no section")?;
        let mut sections = HashMap::new();
        for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
            let mut read = Section { name: section.name()?.to_owned(), ..Section::default() };
            read.instructions = section.data()?.chunks_exact(INSTRUCTION_BYTES).map(decode).collect();
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    bail!("{}: a relocation to no symbol", read.name)
                };
                let symbol = file.symbol_by_index(symbol)?;
                let index = offset as usize / INSTRUCTION_BYTES;
                let address = symbol.address() as i64 + read.addend(index)?;
                let within = address - table.address() as i64;
                let named = match symbol.section() {
                    SymbolSection::Section(section) if section == table_section => {
                        let is_inside = (0..size_of::<[u32; FIELDS]>() as i64).contains(&within);
                        if is_inside { Named::Offsets(within) } else { Named::Other }
                    }
                    SymbolSection::Section(section)
                        if file.section_by_index(section)?.kind() == SectionKind::Text =>
                    {
                        Named::Function(Place { section, index: address as usize / INSTRUCTION_BYTES })
                    }
                    _ => Named::Other,
                };
                read.named.insert(index, named);
            }
            read.is_target = read.targets();
            sections.insert(section.index(), read);
        }
        let mut programs = BTreeMap::new();
        for symbol in file.symbols().filter(|s| s.kind() == SymbolKind::Text && s.is_global()) {
            let index = symbol.address() as usize / INSTRUCTION_BYTES;
            if let Some(section) = symbol.section_index()
                && sections.get(&section).is_some_and(|found| found.name != ".text")
            {
                programs.insert(symbol.name()?.to_owned(), Place { section, index });
            }
        }
        Ok(Self { sections, programs })
    }

    /// One section of so many instructions, as they stand in an object.
    #[cfg(test)]
    pub fn of(bytes: &[[u8; INSTRUCTION_BYTES]], named: BTreeMap<usize, Named>) -> (Self, Place) {
        let instructions = bytes.iter().map(|bytes| decode(bytes)).collect();
        let mut section = Section { name: "made".to_owned(), instructions, named, is_target: Vec::new() };
        section.is_target = section.targets();
        let sections = HashMap::from([(SectionIndex(1), section)]);
        (Self { sections, programs: BTreeMap::new() }, Place { section: SectionIndex(1), index: 0 })
    }

    pub fn programs(&self) -> impl Iterator<Item = (&str, Place)> {
        self.programs.iter().map(|(name, place)| (name.as_str(), *place))
    }

    pub fn section(&self, section: SectionIndex) -> Result<&Section> {
        self.sections.get(&section).context("a call to a section without instructions")
    }
}

impl Section {
    pub fn at(&self, index: usize) -> Result<Instruction> {
        let found = self.instructions.get(index).copied();
        found.with_context(|| format!("{} runs on beyond its end", self.name))
    }

    /// What stands in the instruction is added to the symbol's address: bytes in a load of 64 bits, and in a call
    /// instructions, less one.
    fn addend(&self, index: usize) -> Result<i64> {
        let instruction = self.at(index)?;
        Ok(match instruction.opcode {
            opcode::LOAD_64 => instruction.immediate.into(),
            opcode::CALL => (i64::from(instruction.immediate) + 1) * INSTRUCTION_BYTES as i64,
            other => bail!("{}: a relocation at an instruction {other:#x}", self.name),
        })
    }

    fn targets(&self) -> Vec<bool> {
        let mut is_target = vec![false; self.instructions.len()];
        for (index, instruction) in self.instructions.iter().enumerate() {
            if let Some(to) = instruction.jumps_to(index)
                && let Some(is_target) = is_target.get_mut(to)
            {
                *is_target = true;
            }
        }
        is_target
    }
}

impl Instruction {
    /// Where it may go on, other than at the next instruction. The second half of a load of 64 bits is none.
    pub fn jumps_to(&self, index: usize) -> Option<usize> {
        let by = match (self.opcode & 7, self.opcode) {
            (_, opcode::CALL | opcode::EXIT) => return None,
            (opcode::JUMP_32, opcode::GOTO_LONG) => self.immediate,
            (opcode::JUMP | opcode::JUMP_32, _) => self.offset.into(),
            _ => return None,
        };
        index.checked_add_signed(by as isize + 1)
    }
}

fn decode(bytes: &[u8]) -> Instruction {
    Instruction {
        opcode: bytes[0],
        dst: usize::from(bytes[1] & 0xf),
        src: usize::from(bytes[1] >> 4),
        offset: i16::from_le_bytes([bytes[2], bytes[3]]),
        immediate: i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    }
}

/// Of the instruction set (RFC 9669).
pub mod opcode {
    /// Classes, the three lowest bits.
    pub const LOAD: u8 = 1;
    pub const STORE_IMMEDIATE: u8 = 2;
    pub const STORE: u8 = 3;
    pub const ARITHMETIC_32: u8 = 4;
    pub const JUMP: u8 = 5;
    pub const JUMP_32: u8 = 6;
    pub const ARITHMETIC: u8 = 7;

    /// Whole.
    pub const LOAD_64: u8 = 0x18;
    pub const GOTO: u8 = 0x05;
    pub const GOTO_LONG: u8 = 0x06;
    pub const CALL: u8 = 0x85;
    pub const CALL_REGISTER: u8 = 0x8d;
    pub const EXIT: u8 = 0x95;

    /// The second operand is a register.
    pub const REGISTER: u8 = 8;

    /// Operations, the four highest bits.
    pub const ADD: u8 = 0x00;
    pub const SUBTRACT: u8 = 0x10;
    pub const AND: u8 = 0x50;
    pub const SHIFT_LEFT: u8 = 0x60;
    pub const SHIFT_RIGHT: u8 = 0x70;
    pub const SHIFT_SIGNED: u8 = 0xc0;
    pub const MOVE: u8 = 0xb0;
    pub const EQUAL: u8 = 0x10;
    pub const NOT_EQUAL: u8 = 0x50;

    /// Modes of loads and stores, the three highest bits.
    pub const ATOMIC: u8 = 0xc0;
    /// Of an atomic operation's immediate: the old value goes to a register; with `COMPARE`, to R0.
    pub const FETCH: i32 = 0x01;
    pub const COMPARE: i32 = 0xf0;
}
