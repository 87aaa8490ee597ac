//! When a table is swept before its time: what has ended makes room in it.

/// A table whose elements are handed out by the probes, and given back by sweeps.
pub struct Room {
    slots: u32,
    /// How many had been handed out at the last sweep, since the beginning.
    handed_out: u64,
    /// How many may be handed out until the next.
    until_next: u64,
}

/// Of the whole table at most, and of what is free. In 20 ms, between two looks, the rest is not used up.
const PART: u32 = 4;
const PART_OF_FREE: u32 = 2;

impl Room {
    /// Of a table with so many slots, of which one is nobody's.
    pub fn of(slots: u32) -> Self {
        let mut room = Self { slots, handed_out: 0, until_next: 0 };
        room.swept(0, 0);
        room
    }

    /// Notes a sweep that left so many in use; so many had been handed out when it began.
    pub fn swept(&mut self, handed_out: u64, in_use: usize) {
        let free = (self.slots - 1).saturating_sub(in_use as u32);
        self.handed_out = handed_out;
        self.until_next = u64::from((self.slots / PART).min(free / PART_OF_FREE).max(1));
    }

    /// Whether the table could be full before the next look.
    pub fn is_needed(&self, handed_out: u64) -> bool {
        handed_out - self.handed_out >= self.until_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(in_use: usize, since_last: u64) {
        let mut room = Room::of(4096);
        room.swept(10_000, in_use);
        assert!(room.is_needed(10_000 + since_last) && !room.is_needed(10_000 + since_last - 1), "{in_use}");
    }

    #[test]
    fn room_is_made_by_what_is_free() {
        check(0, 1024);
        check(2000, 1024);
        check(3500, 297);
        check(4093, 1);
        // Nothing is free: it is looked whether something has ended.
        check(4095, 1);
    }
}
