//! Modules from their text form.

use otaru_runtime_vm::abi::{Binding, MODULE_HEADER, known_functions};

/// Bound to every function and one page, and to no slot.
pub(crate) fn binding() -> Binding {
    Binding {
        memory_len: 65_536,
        functions: known_functions(),
        ..Binding::UNBOUND
    }
}

/// A module with a binding at its head.
pub(crate) fn bound(binding: &Binding, text: &str) -> Vec<u8> {
    let plain = wat::parse_str(text).expect("the text is a module");
    let mut module = MODULE_HEADER.to_vec();
    module.extend_from_slice(&binding.section());
    module.extend_from_slice(&plain[MODULE_HEADER.len()..]);
    module
}

/// A module that runs `body`, with all host functions at hand.
pub(crate) fn program(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "otaru1" "log" (func $log (param i32 i32 i32) (result i32)))
            (import "otaru1" "millis" (func $millis (result i64)))
            (import "otaru1" "sleep" (func $sleep (param i32) (result i32)))
            (import "otaru1" "random" (func $random (param i32 i32) (result i32)))
            (import "otaru1" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
            (import "otaru1" "kv_put" (func $kv_put (param i32 i32 i32 i32) (result i32)))
            (import "otaru1" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
            (import "otaru1" "receive" (func $receive (param i32 i32 i32) (result i64)))
            (import "otaru1" "gpio_write" (func $gpio_write (param i32 i32) (result i32)))
            (import "otaru1" "gpio_configure" (func $gpio_configure (param i32 i32) (result i32)))
            (import "otaru1" "fota_get_record" (func $get_record (param i32) (result i32)))
            (import "otaru1" "fota_restart" (func $restart (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "hello")
            ;; Prints the decimal digit of a number from 0 to 9.
            (func $digit (param i32)
                (i32.store8 (i32.const 0) (i32.add (i32.const 48) (local.get 0)))
                (drop (call $log (i32.const 3) (i32.const 0) (i32.const 1))))
            {body})"#
    );
    bound(&binding(), &text)
}
