//! The host functions one to one: `docs/abi.md` as Rust. The other modules of this crate are
//! more comfortable; this one never does more than one host call per function.
//!
//! `cargo xtask codegen` writes this file from `core/abi/src/table.rs`.
#![expect(
    unsafe_code,
    reason = "imports of a WebAssembly module are foreign functions"
)]

use otaru_abi::Errno;

use crate::result::{self, room};

/// Prints a line on the console. `level` is one of the log levels.
///
/// # Errors
/// What the host answered.
pub fn log(level: u32, text: &str) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::log(level, text.as_ptr(), room(text.len())) };
    result::done(result.into())
}

/// Milliseconds since the device started. They never go back.
pub fn millis() -> u64 {
    let result = imports::millis();
    result.unsigned_abs()
}

/// Waits for `ms` milliseconds, at most one hour. The device does other work meanwhile.
///
/// # Errors
/// What the host answered.
pub fn sleep(ms: u32) -> Result<(), Errno> {
    let result = imports::sleep(ms);
    result::done(result.into())
}

/// Fills the whole buffer with random bytes that nobody can predict.
///
/// # Errors
/// What the host answered.
pub fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::random(buffer.as_mut_ptr(), room(buffer.len())) };
    result::done(result.into())
}

/// Reads the value under a key. `NotFound` if there is none, `TooLong` if it does not fit.
///
/// # Errors
/// What the host answered.
pub fn kv_get(key: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe {
        imports::kv_get(
            key.as_ptr(),
            room(key.len()),
            value.as_mut_ptr(),
            room(value.len()),
        )
    };
    result::length(result.into())
}

/// Stores a value under a key. After a power cut either the old or the new value is there.
///
/// # Errors
/// What the host answered.
pub fn kv_put(key: &[u8], value: &[u8]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe {
        imports::kv_put(
            key.as_ptr(),
            room(key.len()),
            value.as_ptr(),
            room(value.len()),
        )
    };
    result::done(result.into())
}

/// Removes a key. It is no error if there is none.
///
/// # Errors
/// What the host answered.
pub fn kv_delete(key: &[u8]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::kv_delete(key.as_ptr(), room(key.len())) };
    result::done(result.into())
}

/// Hands a message to the firmware for sending. `Busy` if none can be taken now.
///
/// # Errors
/// What the host answered.
pub fn publish(topic: &str, payload: &[u8]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe {
        imports::publish(
            topic.as_ptr(),
            room(topic.len()),
            payload.as_ptr(),
            room(payload.len()),
        )
    };
    result::done(result.into())
}

/// Takes the oldest message that has come for the bytecode, topic first, then payload; waits for one up to `wait_ms` milliseconds, at most one hour. `TimedOut` if none came; `TooLong`, and the message stays, if it does not fit.
///
/// # Errors
/// What the host answered.
pub fn receive(wait_ms: u32, message: &mut [u8]) -> Result<(usize, usize), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::receive(wait_ms, message.as_mut_ptr(), room(message.len())) };
    result::message(result)
}

/// Says what a pin is used for. `mode` is one of the pin modes; `Denied` if the pin is not the bytecode's.
///
/// # Errors
/// What the host answered.
pub fn gpio_configure(pin: u32, mode: u32) -> Result<(), Errno> {
    let result = imports::gpio_configure(pin, mode);
    result::done(result.into())
}

/// Level of a pin, 0 or 1.
///
/// # Errors
/// What the host answered.
pub fn gpio_read(pin: u32) -> Result<u32, Errno> {
    let result = imports::gpio_read(pin);
    result::number(result.into())
}

/// Drives an output, 0 or 1.
///
/// # Errors
/// What the host answered.
pub fn gpio_write(pin: u32, level: u32) -> Result<(), Errno> {
    let result = imports::gpio_write(pin, level);
    result::done(result.into())
}

/// Reads the FOTA record: nine numbers of 32 bits, little-endian. 0: the record is valid; 1: index of the running VM; 2: slot of the current VM; 3: slot of the last working VM; 4: slot of the current bytecode; 5: slot of the last working bytecode; 6: flash address of the current bytecode; 7: flash address of the current VM; 8: preferred block size.
///
/// # Errors
/// What the host answered.
pub fn fota_get_record(record: &mut [u8; 36]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::fota_get_record(record.as_mut_ptr()) };
    result::done(result.into())
}

/// Sets the slots of current and last working VM and bytecode for the next restart.
///
/// # Errors
/// What the host answered.
pub fn fota_set_record(
    vm: u32,
    vm_working: u32,
    bytecode: u32,
    bytecode_working: u32,
) -> Result<(), Errno> {
    let result = imports::fota_set_record(vm, vm_working, bytecode, bytecode_working);
    result::done(result.into())
}

/// Flash address of the next available bytecode slot.
///
/// # Errors
/// What the host answered.
pub fn fota_find_bytecode_slot() -> Result<u32, Errno> {
    let result = imports::fota_find_bytecode_slot();
    result::address(result)
}

/// Flash address of the next available VM slot; that of the running VM if it cannot be updated.
///
/// # Errors
/// What the host answered.
pub fn fota_find_vm_slot() -> Result<u32, Errno> {
    let result = imports::fota_find_vm_slot();
    result::address(result)
}

/// Erases at least `size` bytes of the slot from `addr` on, rounded up to whole sectors, never beyond the slot.
///
/// # Errors
/// What the host answered.
pub fn fota_erase_slot(addr: u32, size: u32) -> Result<(), Errno> {
    let result = imports::fota_erase_slot(addr, size);
    result::done(result.into())
}

/// Writes a block at an address within a slot. It does not keep count of blocks.
///
/// # Errors
/// What the host answered.
pub fn fota_write_slot(addr: u32, block: &[u8]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::fota_write_slot(addr, block.as_ptr(), room(block.len())) };
    result::done(result.into())
}

/// MD5 of `size` bytes from `addr` on. It finds accidents, not attackers.
///
/// # Errors
/// What the host answered.
pub fn fota_checksum_slot(addr: u32, size: u32, md5: &mut [u8; 16]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::fota_checksum_slot(addr, size, md5.as_mut_ptr()) };
    result::done(result.into())
}

/// Resets the device. It returns only if it is refused.
pub fn fota_restart() -> Errno {
    let result = imports::fota_restart();
    result::refused(result.into())
}

/// Makes the running configuration the last working one. Without it, a restart brings the old one back.
///
/// # Errors
/// What the host answered.
pub fn fota_accept() -> Result<(), Errno> {
    let result = imports::fota_accept();
    result::done(result.into())
}

/// Puts a bytecode slot and a VM slot on trial for the next restart. What does not fit there is refused here.
///
/// # Errors
/// What the host answered.
pub fn fota_attempt(bytecode: u32, vm: u32) -> Result<(), Errno> {
    let result = imports::fota_attempt(bytecode, vm);
    result::done(result.into())
}

/// Ends writing to a slot: what stands there is verified. Before `fota_attempt`.
///
/// # Errors
/// What the host answered.
pub fn fota_close_slot(addr: u32) -> Result<(), Errno> {
    let result = imports::fota_close_slot(addr);
    result::done(result.into())
}

/// SHA-256 of `size` bytes from `addr` on.
///
/// # Errors
/// What the host answered.
pub fn fota_digest_slot(addr: u32, size: u32, sha256: &mut [u8; 32]) -> Result<(), Errno> {
    // SAFETY: the host reads and writes within these ranges only, and keeps none of them.
    let result = unsafe { imports::fota_digest_slot(addr, size, sha256.as_mut_ptr()) };
    result::done(result.into())
}

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "otaru1")]
    unsafe extern "C" {
        pub(super) fn log(level: u32, text: *const u8, text_len: u32) -> i32;
        pub(super) safe fn millis() -> i64;
        pub(super) safe fn sleep(ms: u32) -> i32;
        pub(super) fn random(buffer: *mut u8, buffer_len: u32) -> i32;
        pub(super) fn kv_get(key: *const u8, key_len: u32, value: *mut u8, value_len: u32) -> i32;
        pub(super) fn kv_put(key: *const u8, key_len: u32, value: *const u8, value_len: u32)
        -> i32;
        pub(super) fn kv_delete(key: *const u8, key_len: u32) -> i32;
        pub(super) fn publish(
            topic: *const u8,
            topic_len: u32,
            payload: *const u8,
            payload_len: u32,
        ) -> i32;
        pub(super) fn receive(wait_ms: u32, message: *mut u8, message_len: u32) -> i64;
        pub(super) safe fn gpio_configure(pin: u32, mode: u32) -> i32;
        pub(super) safe fn gpio_read(pin: u32) -> i32;
        pub(super) safe fn gpio_write(pin: u32, level: u32) -> i32;
        pub(super) fn fota_get_record(record: *mut u8) -> i32;
        pub(super) safe fn fota_set_record(
            vm: u32,
            vm_working: u32,
            bytecode: u32,
            bytecode_working: u32,
        ) -> i32;
        pub(super) safe fn fota_find_bytecode_slot() -> i64;
        pub(super) safe fn fota_find_vm_slot() -> i64;
        pub(super) safe fn fota_erase_slot(addr: u32, size: u32) -> i32;
        pub(super) fn fota_write_slot(addr: u32, block: *const u8, block_len: u32) -> i32;
        pub(super) fn fota_checksum_slot(addr: u32, size: u32, md5: *mut u8) -> i32;
        pub(super) safe fn fota_restart() -> i32;
        pub(super) safe fn fota_accept() -> i32;
        pub(super) safe fn fota_attempt(bytecode: u32, vm: u32) -> i32;
        pub(super) safe fn fota_close_slot(addr: u32) -> i32;
        pub(super) fn fota_digest_slot(addr: u32, size: u32, sha256: *mut u8) -> i32;
    }
}

/// Elsewhere there is no host, and every function says so.
#[cfg(not(target_arch = "wasm32"))]
mod imports {
    pub(super) unsafe fn log(_level: u32, _text: *const u8, _text_len: u32) -> i32 {
        -1
    }

    pub(super) fn millis() -> i64 {
        0
    }

    pub(super) fn sleep(_ms: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn random(_buffer: *mut u8, _buffer_len: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn kv_get(
        _key: *const u8,
        _key_len: u32,
        _value: *mut u8,
        _value_len: u32,
    ) -> i32 {
        -1
    }

    pub(super) unsafe fn kv_put(
        _key: *const u8,
        _key_len: u32,
        _value: *const u8,
        _value_len: u32,
    ) -> i32 {
        -1
    }

    pub(super) unsafe fn kv_delete(_key: *const u8, _key_len: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn publish(
        _topic: *const u8,
        _topic_len: u32,
        _payload: *const u8,
        _payload_len: u32,
    ) -> i32 {
        -1
    }

    pub(super) unsafe fn receive(_wait_ms: u32, _message: *mut u8, _message_len: u32) -> i64 {
        -1
    }

    pub(super) fn gpio_configure(_pin: u32, _mode: u32) -> i32 {
        -1
    }

    pub(super) fn gpio_read(_pin: u32) -> i32 {
        -1
    }

    pub(super) fn gpio_write(_pin: u32, _level: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn fota_get_record(_record: *mut u8) -> i32 {
        -1
    }

    pub(super) fn fota_set_record(
        _vm: u32,
        _vm_working: u32,
        _bytecode: u32,
        _bytecode_working: u32,
    ) -> i32 {
        -1
    }

    pub(super) fn fota_find_bytecode_slot() -> i64 {
        -1
    }

    pub(super) fn fota_find_vm_slot() -> i64 {
        -1
    }

    pub(super) fn fota_erase_slot(_addr: u32, _size: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn fota_write_slot(_addr: u32, _block: *const u8, _block_len: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn fota_checksum_slot(_addr: u32, _size: u32, _md5: *mut u8) -> i32 {
        -1
    }

    pub(super) fn fota_restart() -> i32 {
        -1
    }

    pub(super) fn fota_accept() -> i32 {
        -1
    }

    pub(super) fn fota_attempt(_bytecode: u32, _vm: u32) -> i32 {
        -1
    }

    pub(super) fn fota_close_slot(_addr: u32) -> i32 {
        -1
    }

    pub(super) unsafe fn fota_digest_slot(_addr: u32, _size: u32, _sha256: *mut u8) -> i32 {
        -1
    }
}
