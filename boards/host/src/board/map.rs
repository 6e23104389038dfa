//! A read-only view of a file that another process changes meanwhile.
#![expect(
    unsafe_code,
    reason = "memory that another process writes can only be mapped by hand"
)]

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

/// The first bytes of a file, as they are now, each time they are looked at.
///
/// The bytes are atomics because the other process may change them at any time; what is read is
/// some mixture of old and new bytes, as with real flash.
#[derive(Debug)]
pub(super) struct SharedMap {
    start: NonNull<AtomicU8>,
    len: usize,
}

// SAFETY: the memory is only ever read, through atomics, and stays mapped as long as the value
// lives; no thread owns it more than another.
unsafe impl Send for SharedMap {}
// SAFETY: see above; every access is an atomic load.
unsafe impl Sync for SharedMap {}

impl SharedMap {
    /// Maps `len` bytes of the file; a shorter file is refused.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        let found = file.metadata()?.len();
        if len == 0 || usize::try_from(found).is_ok_and(|found| found < len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: a new mapping at an address that the system chooses touches no existing memory.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast::<AtomicU8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: `start` points to `len` mapped, readable bytes until `drop`; an `AtomicU8` has
        // the layout of a byte, and nothing in this process writes here. The chip never shortens
        // the file while a CPU lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Copies from `at`; `false` if that is not inside.
    pub(super) fn read(&self, at: usize, buf: &mut [u8]) -> bool {
        let end = at.saturating_add(buf.len());
        let Some(bytes) = self.bytes().get(at..end) else {
            return false;
        };
        for (to, from) in buf.iter_mut().zip(bytes) {
            *to = from.load(Ordering::Relaxed);
        }
        true
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; `bytes` borrows from `self`, so nobody looks at it any
        // more.
        let _stays_mapped_if_this_fails = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
