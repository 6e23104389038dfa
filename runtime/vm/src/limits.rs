//! What bytecode may use up.

use otaru_abi::limits;

/// Limits of one VM. The defaults are those of `docs/abi.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the module.
    pub module_len: usize,
    /// Bytes of linear memory.
    pub memory_len: u32,
    /// Elements of all tables together.
    pub table_len: u32,
    /// Calls within each other.
    pub call_depth: u32,
    /// Bytes of the engine's value stack, at least 1024.
    pub value_stack_len: u32,
    /// Fuel of one turn.
    pub fuel_per_slice: u64,
    /// Fuel from one wait to the next; bytecode that uses it up has failed.
    pub fuel_between_waits: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            module_len: 1 << 20,
            memory_len: limits::MEMORY_LEN_DEFAULT,
            table_len: limits::TABLE_LEN_MAX,
            call_depth: limits::CALL_DEPTH_MAX,
            value_stack_len: limits::VALUE_STACK_LEN_MAX,
            fuel_per_slice: limits::FUEL_PER_SLICE,
            fuel_between_waits: limits::FUEL_BETWEEN_WAITS,
        }
    }
}
