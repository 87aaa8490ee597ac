//! Arrays with a slot for each process or thread id: two bytes each, four to an element. The JIT inlines their look-ups.

use abi::target::SLOTS_PER_ELEMENT;
use aya_ebpf::maps::Array;

pub type Slots = Array<[u16; SLOTS_PER_ELEMENT as usize]>;

/// The slot of an id, 0 where it has none.
#[inline(always)]
pub fn slot(slots: &Slots, id: u32) -> u32 {
    slots.get(id / SLOTS_PER_ELEMENT).map_or(0, |element| u32::from(element[index(id)]))
}

#[inline(always)]
pub fn set_slot(slots: &Slots, id: u32, slot: u16) {
    if let Some(element) = slots.get_ptr_mut(id / SLOTS_PER_ELEMENT) {
        // SAFETY: a live array element, index in bounds; single slots are stored, never whole elements.
        unsafe { element.cast::<u16>().add(index(id)).write_volatile(slot) };
    }
}

/// The mask is for the verifier.
#[inline(always)]
fn index(id: u32) -> usize {
    (id % SLOTS_PER_ELEMENT) as usize & (SLOTS_PER_ELEMENT as usize - 1)
}
