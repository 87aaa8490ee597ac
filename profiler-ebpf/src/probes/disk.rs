//! Block devices: bytes, queue and service time of the whole host; bytes that a target submitted itself.
//!
//! A bio is credited at submission, where the submitter is the current task. Direct I/O carries anonymous
//! pages and belongs to the submitter; so does every read. A write of page-cache pages is not credited here:
//! whoever submits it is seldom the one that dirtied the pages.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use profiler_ebpf::abi::{
    disk::{Credit, CreditKey, DeviceIo, DeviceKey, OPERATION_MASK, RequestTimes, WRITE},
    fields::Field,
    loss::Loss,
};

use crate::{
    atomic,
    emit::{lose, now_ns},
    kernel::{load, read},
    maps::{CREDITS, DEVICES, NO_EXIST, REQUESTS},
    probes::context,
    target,
};

/// The bit of `bio.bi_flags` that says "pages pinned for a user's direct I/O" (6.5), as a mask; 0 where the
/// kernel has no such flag. Set by the daemon.
#[unsafe(no_mangle)]
static PAGES_PINNED: u16 = 0;

/// Bit 0 of `page.mapping`: anonymous memory.
const PAGE_MAPPING_ANON: u64 = 1;

/// `block_bio_queue(struct bio *bio)`: in the submitter's context, or in a dispatching kworker's if the bio was
/// throttled.
#[btf_tracepoint(function = "block_bio_queue")]
pub fn disk_submit(ctx: BtfTracePointContext) -> i32 {
    let Some(process) = target::current() else { return 0 };
    let bio: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a struct bio, and the pointers are loaded from it; map values are live.
    unsafe {
        let operation = load::<u32>(bio, Field::BioOpf) & OPERATION_MASK;
        if operation > WRITE || (operation == WRITE && !is_direct(bio)) {
            return 0;
        }
        let device: *const u8 = load(bio, Field::BioBdev);
        let disk: *const u8 = load(device, Field::BlockDeviceDisk);
        let key = CreditKey { device: device_key(disk, operation), process: (*process).serial };
        let bytes = u64::from(load::<u32>(bio, Field::BioSize));
        if CREDITS.get_ptr_mut(key).is_none() {
            let _ = CREDITS.insert(key, Credit::default(), NO_EXIST);
        }
        match CREDITS.get_ptr_mut(key) {
            Some(credit) => {
                atomic::add(&raw mut (*credit).bytes, bytes);
                atomic::add(&raw mut (*credit).bios, 1);
            }
            None => lose(Loss::DeviceTableFull),
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
        context::completes_disk();
        let queue: *const u8 = load(request, Field::RequestQueue);
        let key = device_key(load(queue, Field::QueueDisk), operation);
        if DEVICES.get_ptr_mut(key).is_none() {
            let _ = DEVICES.insert(key, DeviceIo::default(), NO_EXIST);
        }
        let Some(device) = DEVICES.get_ptr_mut(key) else {
            lose(Loss::DeviceTableFull);
            return 0;
        };
        if failed {
            atomic::add(&raw mut (*device).errors, 1);
        } else {
            atomic::add(&raw mut (*device).bytes, u64::from(bytes));
        }
        if bytes < load::<u32>(request, Field::RequestBytes) {
            return 0;
        }
        atomic::add(&raw mut (*device).requests, 1);
        if let Some(times) = REQUESTS.get(request as u64) {
            atomic::add(&raw mut (*device).service_ns, now_ns().saturating_sub(times.issued_ns));
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

/// The whole disk, also for a partition.
#[inline(always)]
unsafe fn device_key(disk: *const u8, operation: u32) -> DeviceKey {
    // SAFETY: the caller's disk is a gendisk.
    unsafe {
        DeviceKey {
            major: load::<i32>(disk, Field::DiskMajor) as u32,
            minor: load::<i32>(disk, Field::DiskFirstMinor) as u32,
            operation,
            _pad: 0,
        }
    }
}

/// Does the bio carry a user's memory, rather than a file's cache? Pinned pages do, shared memory among them;
/// kernels without the flag leave only the kind of the first page: anonymous.
#[inline(always)]
unsafe fn is_direct(bio: *const u8) -> bool {
    // SAFETY: the caller's bio is a struct bio; the helper checks the addresses behind it.
    unsafe {
        if load::<u16>(bio, Field::BioFlags) & (&raw const PAGES_PINNED).read_volatile() != 0 {
            return true;
        }
        let vectors: *const u8 = load(bio, Field::BioVec);
        let index = load::<u32>(bio, Field::BioIndex) as usize;
        // bio_vec: page pointer, length, offset.
        const BIO_VEC_BYTES: usize = 16;
        let Some(page) = read::<u64>(vectors.add(index * BIO_VEC_BYTES), Field::BioVecPage) else {
            return false;
        };
        let page = page as *const u8;
        // A tail page names its head in `compound_head`, with bit 0 set.
        let head = match read::<u64>(page, Field::PageCompoundHead) {
            Some(link) if link & 1 != 0 => (link - 1) as *const u8,
            _ => page,
        };
        read::<u64>(head, Field::PageMapping).is_some_and(|mapping| mapping & PAGE_MAPPING_ANON != 0)
    }
}
