//! The machine's virtio devices: where they are, the memory they share with us, random numbers.

use crate::registers::Register;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// The first of the places where QEMU puts virtio devices, in the order of its command line backwards.
const PLACES_AT: usize = 0x1000_1000;
const PLACE_LEN: usize = 0x1000;
const PLACES: usize = 8;
/// "virt", which every place says.
const MAGIC: u32 = 0x7472_6976;

/// Pages for queues: a queue takes two at most, and there are three.
const PAGES: usize = 8;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    Network = 1,
    Entropy = 4,
}

/// A way to a device.
pub(super) type Transport = MmioTransport<'static>;

/// The device that gives random numbers.
pub(super) type Entropy = VirtIORng<Ram, Transport>;

/// The way to the first device of a kind, if QEMU was given one. To be asked once per kind.
pub(super) fn find(kind: Kind) -> Option<Transport> {
    if !cfg!(target_arch = "riscv32") {
        return None;
    }
    let place = (0..PLACES)
        .map(|index| PLACES_AT + index * PLACE_LEN)
        .find(|place| {
            Register::<u32>::at(*place).read() == MAGIC
                && Register::<u32>::at(place + 8).read() == kind as u32
        })?;
    let header = NonNull::new(place as *mut VirtIOHeader)?;
    // SAFETY: the machine has the registers of a virtio device there, and each kind is asked for once,
    // by the only driver of its device.
    unsafe { MmioTransport::new(header, PLACE_LEN) }.ok()
}

/// The device for random numbers, ready.
pub(super) fn entropy() -> Option<Entropy> {
    VirtIORng::new(find(Kind::Entropy)?).ok()
}

/// Memory that devices read and write. They see all of RAM at the addresses that the CPU sees, and
/// nothing has to be copied or flushed.
pub(super) struct Ram;

#[repr(C, align(4096))]
struct Pages(UnsafeCell<[u8; PAGES * PAGE_SIZE]>);

// SAFETY: pages are only handed out, each one once.
unsafe impl Sync for Pages {}

static MEMORY: Pages = Pages(UnsafeCell::new([0; PAGES * PAGE_SIZE]));
/// Pages that were handed out.
static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: `dma_alloc` hands out zeroed, aligned pages of a static, each once and for ever; addresses are
// the same for CPU and devices; there is no PCI, which alone maps further registers.
unsafe impl Hal for Ram {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let first = USED.fetch_add(pages, Ordering::Relaxed);
        if first.saturating_add(pages) > PAGES {
            // An address of 0 says that there is no memory.
            return (0, NonNull::dangling());
        }
        let start = MEMORY.0.get().cast::<u8>().wrapping_add(first * PAGE_SIZE);
        match NonNull::new(start) {
            Some(page) => (start as usize as PhysAddr, page),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_address: PhysAddr, _page: NonNull<u8>, _pages: usize) -> i32 {
        // Drivers live as long as the firmware; what one of them gives back is not used again.
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _len: usize) -> NonNull<u8> {
        let address = usize::try_from(address).unwrap_or(0) as *mut u8;
        NonNull::new(address).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as usize as PhysAddr
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
