//! How long anything may be that crosses the boundary, and the VM's budgets by default. Bytes.

/// A line of the log. What is longer is refused; the guest crate cuts it.
pub const LOG_LEN_MAX: u32 = 256;

/// A key of the key-value store.
pub const KEY_LEN_MAX: u32 = 32;

/// A value of the key-value store.
pub const VALUE_LEN_MAX: u32 = 1024;

/// A topic of a message.
pub const TOPIC_LEN_MAX: u32 = 64;

/// The payload of a message.
pub const PAYLOAD_LEN_MAX: u32 = 1024;

/// A message as it is received: topic, then payload.
pub const MESSAGE_LEN_MAX: u32 = 1088;

/// Random bytes in one call.
pub const RANDOM_LEN_MAX: u32 = 256;

/// A block that is written to a slot in one call.
pub const BLOCK_LEN_MAX: u32 = 4096;

/// Longest sleep and longest wait for a message in one call, in milliseconds: one hour.
pub const WAIT_MS_MAX: u32 = 3_600_000;

/// The FOTA record: nine `u32`, little-endian.
pub const RECORD_LEN: u32 = 36;

/// Linear memory that a VM grants if nothing else is said: one WebAssembly page.
pub const MEMORY_LEN_DEFAULT: u32 = 65_536;

/// Stack that the build tool gives to bytecode, within its linear memory.
pub const STACK_LEN_DEFAULT: u32 = 8_192;

/// Messages that wait for the bytecode; one more is dropped and counted.
pub const QUEUE_LEN_MAX: usize = 4;

/// Fuel of one slice, after which the VM gives control back. One unit is about one instruction.
pub const FUEL_PER_SLICE: u64 = 20_000;

/// Fuel between two waits. Bytecode that has used it up without once sleeping or waiting for a
/// message hangs, and has failed.
pub const FUEL_BETWEEN_WAITS: u64 = 50_000_000;

/// Fuel that each host function costs, besides one unit per byte: so slices bound host calls too.
pub const FUEL_PER_CALL: u64 = 100;

/// Calls of functions within each other.
pub const CALL_DEPTH_MAX: u32 = 64;

/// Bytes of the engine's value stack.
pub const VALUE_STACK_LEN_MAX: u32 = 16_384;

/// Elements of all tables together.
pub const TABLE_LEN_MAX: u32 = 256;
