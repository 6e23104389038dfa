//! The table of host functions. The place of a function is its number: a new one goes to the end,
//! and none is ever moved, removed or given another meaning.

use crate::function::{Function, Outcome, Param, Served};
use crate::limits;

const KEY: Param = Param::Bytes {
    name: "key",
    len_max: limits::KEY_LEN_MAX,
};
const ADDR: Param = Param::Number { name: "addr" };
const SIZE: Param = Param::Number { name: "size" };
const PIN: Param = Param::Number { name: "pin" };

/// All functions, in the order of their numbers.
pub const FUNCTIONS: &[Function] = &[
    host(
        "log",
        &[
            Param::Number { name: "level" },
            Param::Text {
                name: "text",
                len_max: limits::LOG_LEN_MAX,
            },
        ],
        Outcome::Done,
        "Prints a line on the console. `level` is one of the log levels.",
    ),
    host(
        "millis",
        &[],
        Outcome::Time,
        "Milliseconds since the device started. They never go back.",
    ),
    vm(
        "sleep",
        &[Param::Number { name: "ms" }],
        Outcome::Done,
        "Waits for `ms` milliseconds, at most one hour. The device does other work meanwhile.",
    ),
    host(
        "random",
        &[Param::Buffer {
            name: "buffer",
            len_max: limits::RANDOM_LEN_MAX,
        }],
        Outcome::Done,
        "Fills the whole buffer with random bytes that nobody can predict.",
    ),
    host(
        "kv_get",
        &[
            KEY,
            Param::Buffer {
                name: "value",
                len_max: limits::VALUE_LEN_MAX,
            },
        ],
        Outcome::Length,
        "Reads the value under a key. `NotFound` if there is none, `TooLong` if it does not fit.",
    ),
    host(
        "kv_put",
        &[
            KEY,
            Param::Bytes {
                name: "value",
                len_max: limits::VALUE_LEN_MAX,
            },
        ],
        Outcome::Done,
        "Stores a value under a key. After a power cut either the old or the new value is there.",
    ),
    host(
        "kv_delete",
        &[KEY],
        Outcome::Done,
        "Removes a key. It is no error if there is none.",
    ),
    host(
        "publish",
        &[
            Param::Text {
                name: "topic",
                len_max: limits::TOPIC_LEN_MAX,
            },
            Param::Bytes {
                name: "payload",
                len_max: limits::PAYLOAD_LEN_MAX,
            },
        ],
        Outcome::Done,
        "Hands a message to the firmware for sending. `Busy` if none can be taken now.",
    ),
    vm(
        "receive",
        &[
            Param::Number { name: "wait_ms" },
            Param::Buffer {
                name: "message",
                len_max: limits::MESSAGE_LEN_MAX,
            },
        ],
        Outcome::Message,
        "Takes the oldest message that has come for the bytecode, topic first, then payload; waits \
         for one up to `wait_ms` milliseconds, at most one hour. `TimedOut` if none came; \
         `TooLong`, and the message stays, if it does not fit.",
    ),
    host(
        "gpio_configure",
        &[PIN, Param::Number { name: "mode" }],
        Outcome::Done,
        "Says what a pin is used for. `mode` is one of the pin modes; `Denied` if the pin is not \
         the bytecode's.",
    ),
    host(
        "gpio_read",
        &[PIN],
        Outcome::Number,
        "Level of a pin, 0 or 1.",
    ),
    host(
        "gpio_write",
        &[PIN, Param::Number { name: "level" }],
        Outcome::Done,
        "Drives an output, 0 or 1.",
    ),
    fota(
        "fota_get_record",
        &[Param::Array {
            name: "record",
            len: limits::RECORD_LEN,
        }],
        Outcome::Done,
        "Reads the FOTA record: nine numbers of 32 bits, little-endian. 0: the record is valid; 1: \
         index of the running VM; 2: slot of the current VM; 3: slot of the last working VM; 4: \
         slot of the current bytecode; 5: slot of the last working bytecode; 6: flash address of \
         the current bytecode; 7: flash address of the current VM; 8: preferred block size.",
    ),
    fota(
        "fota_set_record",
        &[
            Param::Number { name: "vm" },
            Param::Number { name: "vm_working" },
            Param::Number { name: "bytecode" },
            Param::Number {
                name: "bytecode_working",
            },
        ],
        Outcome::Done,
        "Sets the slots of current and last working VM and bytecode for the next restart.",
    ),
    fota(
        "fota_find_bytecode_slot",
        &[],
        Outcome::Address,
        "Flash address of the next available bytecode slot.",
    ),
    fota(
        "fota_find_vm_slot",
        &[],
        Outcome::Address,
        "Flash address of the next available VM slot; that of the running VM if it cannot be \
         updated.",
    ),
    fota(
        "fota_erase_slot",
        &[ADDR, SIZE],
        Outcome::Done,
        "Erases at least `size` bytes of the slot from `addr` on, rounded up to whole sectors, \
         never beyond the slot.",
    ),
    fota(
        "fota_write_slot",
        &[
            ADDR,
            Param::Bytes {
                name: "block",
                len_max: limits::BLOCK_LEN_MAX,
            },
        ],
        Outcome::Done,
        "Writes a block at an address within a slot. It does not keep count of blocks.",
    ),
    fota(
        "fota_checksum_slot",
        &[
            ADDR,
            SIZE,
            Param::Array {
                name: "md5",
                len: 16,
            },
        ],
        Outcome::Done,
        "MD5 of `size` bytes from `addr` on. It finds accidents, not attackers.",
    ),
    fota(
        "fota_restart",
        &[],
        Outcome::Never,
        "Resets the device. It returns only if it is refused.",
    ),
    fota(
        "fota_accept",
        &[],
        Outcome::Done,
        "Makes the running configuration the last working one. Without it, a restart brings the \
         old one back.",
    ),
    fota(
        "fota_attempt",
        &[
            Param::Number { name: "bytecode" },
            Param::Number { name: "vm" },
        ],
        Outcome::Done,
        "Puts a bytecode slot and a VM slot on trial for the next restart. What does not fit \
         there is refused here.",
    ),
    fota(
        "fota_close_slot",
        &[ADDR],
        Outcome::Done,
        "Ends writing to a slot: what stands there is verified. Before `fota_attempt`.",
    ),
    fota(
        "fota_digest_slot",
        &[
            ADDR,
            SIZE,
            Param::Array {
                name: "sha256",
                len: 32,
            },
        ],
        Outcome::Done,
        "SHA-256 of `size` bytes from `addr` on.",
    ),
];

const fn served(
    served: Served,
    name: &'static str,
    params: &'static [Param],
    outcome: Outcome,
    doc: &'static str,
) -> Function {
    Function {
        name,
        params,
        outcome,
        served,
        doc,
        since: 0,
    }
}

const fn host(
    name: &'static str,
    params: &'static [Param],
    outcome: Outcome,
    doc: &'static str,
) -> Function {
    served(Served::Host, name, params, outcome, doc)
}

const fn vm(
    name: &'static str,
    params: &'static [Param],
    outcome: Outcome,
    doc: &'static str,
) -> Function {
    served(Served::Vm, name, params, outcome, doc)
}

const fn fota(
    name: &'static str,
    params: &'static [Param],
    outcome: Outcome,
    doc: &'static str,
) -> Function {
    served(Served::Fota, name, params, outcome, doc)
}

/// Finds a function by its name, with its number.
pub fn function(name: &str) -> Option<(u8, &'static Function)> {
    (0_u8..)
        .zip(FUNCTIONS)
        .find(|(_, function)| function.name == name)
}

/// The functions that this version knows, as a set: bit = number.
pub fn known_functions() -> u64 {
    FUNCTIONS
        .iter()
        .fold(0_u64, |set, _| (set << 1_u32) | 1_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_functions_never_change() {
        let names: [&str; 24] = [
            "log",
            "millis",
            "sleep",
            "random",
            "kv_get",
            "kv_put",
            "kv_delete",
            "publish",
            "receive",
            "gpio_configure",
            "gpio_read",
            "gpio_write",
            "fota_get_record",
            "fota_set_record",
            "fota_find_bytecode_slot",
            "fota_find_vm_slot",
            "fota_erase_slot",
            "fota_write_slot",
            "fota_checksum_slot",
            "fota_restart",
            "fota_accept",
            "fota_attempt",
            "fota_close_slot",
            "fota_digest_slot",
        ];
        // Only ever add at the end.
        for (number, name) in (0_u8..).zip(names) {
            assert_eq!(function(name).map(|(found, _)| found), Some(number));
        }
        assert!(FUNCTIONS.len() >= names.len() && FUNCTIONS.len() <= 64);
        assert_eq!(known_functions().count_ones() as usize, FUNCTIONS.len());
    }

    #[test]
    fn no_function_takes_more_words_than_a_request_has() {
        for function in FUNCTIONS {
            assert!(function.words() <= 6, "{}", function.name);
        }
    }
}
