//! The kernel's storage for each socket that a target has used.

use core::ptr::null_mut;

use abi::traffic::Traffic;
use aya_ebpf::{bindings::BPF_SK_STORAGE_GET_F_CREATE, helpers::generated::bpf_sk_storage_get};

use crate::maps::TRAFFIC;

/// What is remembered of a socket; nothing for those that no target has used.
#[inline(always)]
pub unsafe fn of(sk: *const u8) -> Option<*mut Traffic> {
    // SAFETY: the caller's sk is a struct sock.
    unsafe { get(sk, 0) }
}

/// Of a socket whose payload is followed: not of control traffic.
#[inline(always)]
pub unsafe fn followed(sk: *const u8) -> Option<*mut Traffic> {
    // SAFETY: the caller's sk is a struct sock; its storage is live.
    unsafe { of(sk).filter(|traffic| (**traffic).control == 0) }
}

/// Begins to remember a socket.
#[inline(always)]
pub unsafe fn begin(sk: *const u8) -> Option<*mut Traffic> {
    // SAFETY: the caller's sk is a struct sock.
    unsafe { get(sk, u64::from(BPF_SK_STORAGE_GET_F_CREATE)) }
}

#[inline(always)]
unsafe fn get(sk: *const u8, flags: u64) -> Option<*mut Traffic> {
    // SAFETY: the caller's sk is a struct sock; without an initial value a new storage is zeroed.
    let found = unsafe {
        bpf_sk_storage_get((&raw const TRAFFIC).cast_mut().cast(), sk.cast_mut().cast(), null_mut(), flags)
    };
    (!found.is_null()).then_some(found.cast())
}
