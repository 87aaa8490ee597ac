//! Block devices: bytes, queue and service time of the whole host; bytes that a target submitted itself. Of devices without
//! requests, which pass bios on or do them at once, bytes alone.
//!
//! A bio is credited at submission. Direct I/O carries a user's memory and belongs to the submitter (see `direct.rs`),
//! and so does every read that a process submits. Pages of a file's cache that anyone writes, or that a kernel thread reads (the
//! dispatcher of throttled bios), are counted for the file: see `owners.rs`.

use abi::{
    disk::{
        Credit, CreditKey, DEVICE_MINOR_BITS, DeviceIo, DeviceKey, OPERATION_MASK, READ, RequestTimes, WRITE,
    },
    fields::Field,
    loss::Loss,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    atomic,
    emit::{lose, now_ns},
    kernel::load,
    maps::{CREDITS, DEVICES, NO_EXIST, REQUESTS},
    probes::{bio, context, direct, file_ways, owners, requests, submissions},
    target,
    zero::zero,
};

/// `RQF_FLUSH_SEQ` of `request.rq_flags`, a mask. Set by the daemon.
#[unsafe(no_mangle)]
static FLUSH_SEQUENCE: u32 = 0;

/// `block_bio_queue(struct bio *bio)`: in the submitter's context, or in a dispatching kworker's if the bio was
/// throttled.
#[btf_tracepoint(function = "block_bio_queue")]
pub fn disk_submit(ctx: BtfTracePointContext) -> i32 {
    let bio: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct bio, and the pointers are loaded from it; map values are live.
    unsafe {
        let operation = load::<u32>(bio, Field::BioOpf) & OPERATION_MASK;
        if operation > WRITE {
            return 0;
        }
        let current = target::current();
        if let Some(process) = current {
            submissions::note(bio);
            file_ways::note_call(process);
        }
        requests::submitted(bio, operation, current);
        let bytes = u64::from(load::<u32>(bio, Field::BioSize));
        let disk = device_of(bio);
        let whole = device_key(disk, operation);
        if has_no_requests(disk) {
            count_bio(whole, bytes);
        }
        let device = DeviceKey { partition: partition_of(bio, &whole), ..whole };
        let is_own_read = operation == READ && !target::is_kernel_thread();
        if is_own_read || bio::is_direct(bio) {
            let process = match current {
                Some(process) => Some((*process).serial),
                None => direct::caller(bio),
            };
            if let Some(process) = process {
                credit(CreditKey { device, process }, bytes);
            }
        } else if let Some(file) = bio::file(bio) {
            owners::moved(file, device, bytes);
        }
    }
    0
}

/// `block_rq_issue(struct request *rq)`
#[btf_tracepoint(function = "block_rq_issue")]
pub fn disk_issue(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct request.
    unsafe {
        if load::<u32>(request, Field::RequestOpf) & OPERATION_MASK > WRITE {
            return 0;
        }
        if REQUESTS.get_ptr(request as u64).is_some() {
            lose(Loss::CompletionUnseen);
        }
        let times = RequestTimes { issued_ns: now_ns(), started_ns: load(request, Field::RequestStartTime) };
        if REQUESTS.insert(request as u64, times, 0).is_err() {
            lose(Loss::RequestTableFull);
        }
    }
    0
}

/// `block_rq_requeue(struct request *rq)`: the device had no room for it, and it will be issued again.
#[btf_tracepoint(function = "block_rq_requeue")]
pub fn disk_requeue(ctx: BtfTracePointContext) -> i32 {
    let _ = REQUESTS.remove(ctx.arg::<u64>(0));
    0
}

/// `block_rq_complete(struct request *rq, blk_status_t error, unsigned int nr_bytes)`: in interrupt context; a
/// request may complete in parts.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn disk_complete(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    let (failed, bytes) = (ctx.arg::<u8>(1) != 0, ctx.arg::<u32>(2));
    // SAFETY: argument 0 is a struct request, and the pointers are loaded from it; map values are live.
    unsafe {
        let operation = load::<u32>(request, Field::RequestOpf) & OPERATION_MASK;
        if operation > WRITE {
            return 0;
        }
        context::completes_disk(submissions::take(request));
        let queue: *const u8 = load(request, Field::RequestQueue);
        let key = device_key(load(queue, Field::QueueDisk), operation);
        let Some(device) = totals(key) else { return 0 };
        // A write that has the device flush its cache, before it or after, completes twice, as the block layer's statistics know:
        // its data, and later the whole, of which no bytes are left (6.1 to 6.18).
        let is_part =
            load::<u32>(request, Field::RequestFlags) & (&raw const FLUSH_SEQUENCE).read_volatile() != 0;
        if !failed {
            atomic::add(&raw mut (*device).bytes, u64::from(bytes));
        } else if !is_part {
            atomic::add(&raw mut (*device).errors, 1);
        }
        let is_last = bytes >= load::<u32>(request, Field::RequestBytes);
        let now = now_ns();
        let times = REQUESTS.get(request as u64);
        if let Some(times) = times {
            requests::completed(
                request,
                key,
                if failed { 0 } else { u64::from(bytes) },
                is_last,
                *times,
                now,
            );
        }
        if !is_last {
            return 0;
        }
        if !is_part {
            atomic::add(&raw mut (*device).requests, 1);
        }
        if let Some(times) = times {
            atomic::add(&raw mut (*device).service_ns, now.saturating_sub(times.issued_ns));
            atomic::add(&raw mut (*device).serviced, 1);
            if times.started_ns != 0 {
                atomic::add(&raw mut (*device).queue_ns, times.issued_ns.saturating_sub(times.started_ns));
                atomic::add(&raw mut (*device).queued, 1);
            }
            let _ = REQUESTS.remove(request as u64);
        }
    }
    0
}

#[inline(always)]
unsafe fn credit(key: CreditKey, bytes: u64) {
    if CREDITS.get_ptr_mut(key).is_none() {
        let _ = CREDITS.insert(key, Credit::default(), NO_EXIST);
    }
    match CREDITS.get_ptr_mut(key) {
        // SAFETY: a live map value.
        Some(credit) => unsafe {
            atomic::add(&raw mut (*credit).bytes, bytes);
            atomic::add(&raw mut (*credit).bios, 1);
        },
        None => lose(Loss::DeviceTableFull),
    }
}

/// Counts a bio of a device without requests (zram, device mapper, md), whose completion is not seen: as it is submitted. What
/// is split later is one.
#[inline(always)]
unsafe fn count_bio(key: DeviceKey, bytes: u64) {
    // A flush.
    if bytes == 0 {
        return;
    }
    if let Some(device) = totals(key) {
        // SAFETY: a live map value.
        unsafe {
            atomic::add(&raw mut (*device).bytes, bytes);
            atomic::add(&raw mut (*device).requests, 1);
        }
    }
}

#[inline(always)]
fn totals(key: DeviceKey) -> Option<*mut DeviceIo> {
    if DEVICES.get_ptr_mut(key).is_none() {
        let _ = DEVICES.insert(key, DeviceIo::default(), NO_EXIST);
    }
    let totals = DEVICES.get_ptr_mut(key);
    if totals.is_none() {
        lose(Loss::DeviceTableFull);
    }
    totals
}

/// The `gendisk` that a bio is for.
#[inline(always)]
unsafe fn device_of(bio: *const u8) -> *const u8 {
    // SAFETY: the caller's bio is a struct bio, and the pointers are loaded from it.
    unsafe { load(load(bio, Field::BioBdev), Field::BlockDeviceDisk) }
}

/// The partition of a disk that a bio is for, 0 for none. Its bio is moved to the disk's own sectors by then, and still has
/// the partition's device (5.12 to 6.18).
#[inline(always)]
unsafe fn partition_of(bio: *const u8, disk: &DeviceKey) -> u32 {
    // SAFETY: the caller's bio is a struct bio, and the pointer is loaded from it.
    let number: u32 = unsafe { load(load(bio, Field::BioBdev), Field::BlockDeviceNumber) };
    if number == disk.major << DEVICE_MINOR_BITS | disk.minor { zero() as u32 } else { number }
}

#[inline(always)]
unsafe fn has_no_requests(disk: *const u8) -> bool {
    // SAFETY: the caller's disk is a gendisk, and its queue is loaded from it.
    unsafe { load::<u64>(load(disk, Field::DiskQueue), Field::QueueMqOps) == 0 }
}

/// The whole disk, also for a partition.
#[inline(always)]
unsafe fn device_key(disk: *const u8, operation: u32) -> DeviceKey {
    // SAFETY: the caller's disk is a gendisk.
    unsafe {
        DeviceKey {
            major: load::<i32>(disk, Field::DiskMajor) as u32,
            minor: load::<i32>(disk, Field::DiskFirstMinor) as u32,
            operation,
            partition: zero() as u32,
        }
    }
}
