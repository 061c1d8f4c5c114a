//! The scheduler's slice of a thread.
//!
//! A loop that waits for its journal on a CPU that the kernel's worker needs as well is otherwise
//! kept waiting for a tick: the worker becomes ready, the loop is not preempted for it, and the loop
//! does not sleep. `corelane bench journal` shows what it makes of it on a host.

/// Long against a flush, short against anything that a person notices.
const SLICE_NS: u64 = 100_000_000;

/// What `sched_setattr` reads, in its first version.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const _: () = assert!(size_of::<SchedAttr>() == 48);

/// Asks the scheduler for long slices for this thread and those that it starts (`sched_setattr`; no
/// privilege is needed). Whether it took the call: kernels before 6.12 take it and do nothing.
pub fn lengthen() -> bool {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice: 0,
        priority: 0,
        runtime: SLICE_NS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of the structure, which outlives the call; 0 is the
    // calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) == 0 }
}
