//! Which element of `SOCKET_USES` counts what a process moves over a socket.
//!
//! An array says which one a use with these low bits had last, so that a call needs no hash. The element says whose it is:
//! what the array knows may have been given back since, or may be another use's.

use abi::{
    loss::Loss,
    sockets::{IPPROTO_UDP, LAST_USES, SOCKET_USE_SLOTS, SocketBytes, SocketKey, SocketUse, without_turn},
};

use crate::{
    ids,
    maps::{FREE_USES, LAST_USE, NEW_SOCKETS, NO_EXIST, SOCKET_USES, USE_OF},
    places::{self, NO_PLACE},
    probes::{connections, stream},
};

/// The element that the array knows, if it is this use's: of a socket by its kernel's cookie and its peer, see
/// [`connections::peer`].
#[inline(always)]
pub fn known(key: &SocketKey, peer: u64) -> Option<*mut SocketUse> {
    // SAFETY: an array's slot.
    unsafe { at(ids::slot(&LAST_USE, id(key)), key).filter(|element| (**element).peer == peer) }
}

/// The element of a use by its whole key, if there is one: of calls that were made before.
#[inline(always)]
pub unsafe fn of_burst(cookie: u64, process: u64) -> Option<*mut SocketUse> {
    let key = SocketKey { cookie, process };
    let is_it = |element: *mut SocketUse| {
        // SAFETY: a live element.
        let found = unsafe { (*element).key };
        found.cookie == cookie && found.process == process
    };
    let known = ids::slot(&LAST_USE, id(&SocketKey { cookie: without_turn(cookie), process }));
    SOCKET_USES.get_ptr_mut(known).filter(|element| is_it(*element)).or_else(|| {
        // SAFETY: map values are live.
        let slot = unsafe { USE_OF.get(key) }?;
        SOCKET_USES.get_ptr_mut(*slot).filter(|element| is_it(*element))
    })
}

/// Forgets the element that the array knows: the socket is connected again.
#[inline(always)]
pub fn forget(key: &SocketKey) {
    ids::set_slot(&LAST_USE, id(key), 0);
}

/// Cookies are handed out one after the other.
#[inline(always)]
fn id(key: &SocketKey) -> u32 {
    (key.cookie as u32 ^ (key.process as u32) << 8) % LAST_USES
}

/// Finds the element by its key, and makes it at the first use, by a call that received so many bytes. Without a place
/// for it, tells in `Err` whether the socket carries control traffic. Where it is being connected to another peer just now,
/// the call is one with either.
#[inline(always)]
pub unsafe fn find(
    sk: *const u8,
    key: &SocketKey,
    protocol: u16,
    received: u64,
) -> Result<*mut SocketUse, bool> {
    // SAFETY: the caller's sk is a struct sock.
    let found = unsafe { slot_of(sk, key.cookie, key.process, protocol, received) };
    // SAFETY: a slot that was just found, or none.
    unsafe { at(found, key) }.ok_or(found == CONTROL)
}

/// What [`slot_of`] answers instead of [`NO_PLACE`] where the socket carries control traffic.
const CONTROL: u32 = u32::MAX;

#[inline(never)]
unsafe fn slot_of(sk: *const u8, cookie: u64, process: u64, protocol: u16, received: u64) -> u32 {
    // SAFETY: the caller's sk is a struct sock; map values are live.
    unsafe {
        let peer = connections::peer(sk);
        if protocol == IPPROTO_UDP {
            // A connection of TCP's tells when it begins.
            connections::turn_to(sk, cookie, peer);
        }
        let key = SocketKey { cookie: connections::identity(sk, cookie), process };
        let slot = match USE_OF.get(key) {
            Some(slot) => *slot,
            None => {
                let control = connections::describe(sk, key.cookie, protocol, process, received);
                match first_use(key, peer, control) {
                    NO_PLACE => return if control { CONTROL } else { NO_PLACE },
                    slot => {
                        connections::note_use(key.cookie);
                        if let Some(used) = SOCKET_USES.get_ptr_mut(slot) {
                            stream::join(sk, used);
                        }
                        slot
                    }
                }
            }
        };
        ids::set_slot(&LAST_USE, id(&key), slot as u16);
        slot
    }
}

#[inline(always)]
unsafe fn first_use(key: SocketKey, peer: u64, control: bool) -> u32 {
    let Some(slot) = places::take(&FREE_USES, SOCKET_USE_SLOTS, Loss::SocketTableFull) else {
        return NO_PLACE;
    };
    let Some(element) = SOCKET_USES.get_ptr_mut(slot) else { return NO_PLACE };
    // SAFETY: a live element, which nobody else knows yet.
    unsafe {
        (*element).bytes = SocketBytes::new(control);
        (*element).peer = peer;
        (*element).key = key;
        if USE_OF.insert(key, slot, NO_EXIST).is_ok() {
            if let Some(count) = NEW_SOCKETS.get_ptr_mut(0) {
                *count += 1;
            }
            return slot;
        }
        (*element).key = SocketKey::default();
    }
    places::give_way(&FREE_USES, slot, &USE_OF, key, Loss::SocketTableFull)
}

#[inline(always)]
unsafe fn at(slot: u32, key: &SocketKey) -> Option<*mut SocketUse> {
    let element = SOCKET_USES.get_ptr_mut(slot)?;
    // SAFETY: a live element; 0 is never a key's.
    let is_it =
        unsafe { without_turn((*element).key.cookie) == key.cookie && (*element).key.process == key.process };
    is_it.then_some(element)
}
