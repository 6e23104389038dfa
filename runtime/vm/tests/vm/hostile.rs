//! What bad bytecode can do: nothing but fail.

use otaru_runtime_vm::abi::Target;
use otaru_runtime_vm::engine::{Trap, Wasmi};
use otaru_runtime_vm::{Ended, Failure, Limits, NoFota, Turn, Vm, check};
use proptest::prelude::*;

use crate::firmware::Firmware;
use crate::modules::program;

/// Small budgets, so that a test that exhausts them is quick.
fn limits() -> Limits {
    Limits {
        fuel_per_slice: 10_000,
        fuel_between_waits: 200_000,
        ..Limits::default()
    }
}

fn fails(body: &str) -> (Firmware, Failure) {
    let module = program(body);
    let mut vm = Vm::start(&Wasmi, &module, &Target::new(0, 0), &limits()).expect("it is valid");
    let mut firmware = Firmware::default();
    match firmware.run(&mut vm, &mut NoFota) {
        Ended::Failed(failure) => {
            // It stays so.
            let turn = vm.turn(&mut firmware, &mut NoFota);
            assert_eq!(turn, Turn::Ended(Ended::Failed(failure)));
            (firmware, failure)
        }
        other @ (Ended::Finished | Ended::Restart) => panic!("ended with {other:?}"),
    }
}

fn trap(body: &str) -> Trap {
    match fails(body).1 {
        Failure::Trap(trap) => trap,
        Failure::Hung => panic!("hung"),
    }
}

#[test]
fn each_trap_is_a_failure_with_a_name() {
    let unreachable = r#"(func (export "run") unreachable)"#;
    assert_eq!(trap(unreachable), Trap::Unreachable);
    let outside = r#"(func (export "run") (drop (i32.load (i32.const 65533))))"#;
    assert_eq!(trap(outside), Trap::MemoryOutOfBounds);
    let divides = r#"(func (export "run") (drop (i32.div_u (i32.const 1) (i32.const 0))))"#;
    assert_eq!(trap(divides), Trap::Arithmetic);
    let calls = r#"(table 1 funcref) (func (export "run") (call_indirect (i32.const 0)))"#;
    assert_eq!(trap(calls), Trap::BadCall);
}

#[test]
fn an_endless_loop_is_found_and_the_firmware_runs_meanwhile() {
    let (firmware, failure) = fails(r#"(func (export "run") (loop (br 0)))"#);
    assert_eq!(failure, Failure::Hung);
    // One turn per slice of the budget.
    assert!(firmware.turns >= 20, "{} turns", firmware.turns);
}

#[test]
fn an_endless_loop_of_host_calls_is_found_too() {
    let (firmware, failure) = fails(
        r#"(func (export "run")
            (loop (drop (call $log (i32.const 3) (i32.const 16) (i32.const 5))) (br 0)))"#,
    );
    assert_eq!(failure, Failure::Hung);
    // Each call costs 105 and the instructions around it.
    assert!(
        firmware.lines.len() < 2_000,
        "{} lines",
        firmware.lines.len()
    );
    assert!(firmware.turns >= 20, "{} turns", firmware.turns);
}

#[test]
fn waiting_renews_the_budget() {
    let module = program(
        r#"(func (export "run") (local i32)
            (loop
                (drop (call $sleep (i32.const 1)))
                (br_if 0 (i32.lt_u
                    (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3000)))))"#,
    );
    let mut vm = Vm::start(&Wasmi, &module, &Target::new(0, 0), &limits()).unwrap();
    let mut firmware = Firmware::default();
    assert_eq!(firmware.run(&mut vm, &mut NoFota), Ended::Finished);
    assert_eq!(firmware.now_ms, 3000);
}

#[test]
fn endless_recursion_overflows_the_vms_stack_and_no_other() {
    let deep = r#"(func $deep (export "run") (call $deep))"#;
    assert_eq!(trap(deep), Trap::StackOverflow);
    // Few calls, but each with many numbers.
    let numbers = "i64 ".repeat(32);
    let wide = format!(
        r#"(func $wide (param {numbers}) (call $wide {}))
           (func (export "run") (call $wide {}))"#,
        (0..32).fold(String::new(), |all, n| all + &format!("(local.get {n}) ")),
        "(i64.const 1) ".repeat(32)
    );
    assert_eq!(trap(&wide), Trap::StackOverflow);
}

#[test]
fn memory_does_not_grow_beyond_what_was_granted() {
    let (firmware, failure) = fails(
        r#"(func (export "run")
            (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
                (then (call $digit (i32.const 1))))
            (if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1))
                (then (call $digit (i32.const 2))))
            unreachable)"#,
    );
    assert_eq!(failure, Failure::Trap(Trap::Unreachable));
    assert_eq!(firmware.text(), ["1", "2"]);
}

#[test]
fn a_range_outside_its_memory_is_a_trap_and_nothing_is_done() {
    let ranges = [
        "(i32.const 65536) (i32.const 1)",
        "(i32.const 65535) (i32.const 2)",
        "(i32.const -1) (i32.const 1)",
        "(i32.const -16) (i32.const 255)",
        "(i32.const 2147483647) (i32.const 0)",
    ];
    for range in ranges {
        let body = format!(r#"(func (export "run") (drop (call $log (i32.const 3) {range})))"#);
        let (firmware, failure) = fails(&body);
        assert_eq!(failure, Failure::Trap(Trap::BadPointer), "{range}");
        assert!(firmware.lines.is_empty());
        let body = format!(r#"(func (export "run") (drop (call $random {range})))"#);
        assert_eq!(trap(&body), Trap::BadPointer, "{range}");
    }
    let record = r#"(func (export "run") (drop (call $get_record (i32.const 65501))))"#;
    assert_eq!(trap(record), Trap::BadPointer);
}

#[test]
fn a_length_beyond_its_limit_is_refused_and_nothing_is_done() {
    let module = program(
        r#"(func (export "run")
            (call $digit (i32.sub (i32.const 0)
                (call $log (i32.const 3) (i32.const 0) (i32.const 257))))
            (call $digit (i32.sub (i32.const 0)
                (call $log (i32.const 3) (i32.const 0) (i32.const -1))))
            (call $digit (i32.sub (i32.const 0)
                (call $kv_put (i32.const 0) (i32.const 33) (i32.const 0) (i32.const 1))))
            (call $digit (i32.sub (i32.const 0) (call $random (i32.const 0) (i32.const 257))))
            ;; A day is longer than one wait may be: Invalid is 2.
            (call $digit (i32.sub (i32.const 0) (call $sleep (i32.const 86400000)))))"#,
    );
    let mut vm = Vm::start(&Wasmi, &module, &Target::new(0, 0), &limits()).unwrap();
    let mut firmware = Firmware::default();
    assert_eq!(firmware.run(&mut vm, &mut NoFota), Ended::Finished);
    assert_eq!(firmware.text(), ["5", "5", "5", "5", "2"]);
    assert!(firmware.values.is_empty());
}

#[test]
fn an_instruction_that_costs_more_than_a_slice_gets_a_larger_one() {
    // Filling a page costs more than this slice of 10 units.
    let module = program(
        r#"(func (export "run")
            (memory.fill (i32.const 1024) (i32.const 7) (i32.const 60000))
            (call $digit (i32.load8_u (i32.const 61023))))"#,
    );
    let small = Limits {
        fuel_per_slice: 10,
        ..limits()
    };
    let mut vm = Vm::start(&Wasmi, &module, &Target::new(0, 0), &small).unwrap();
    let mut firmware = Firmware::default();
    assert_eq!(firmware.run(&mut vm, &mut NoFota), Ended::Finished);
    assert_eq!(firmware.text(), ["7"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever a flash error or an attacker makes of a module, it is refused, or runs to some end
    /// within its budget.
    #[test]
    fn damaged_modules_are_refused_or_end(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut module = program(
            r#"(func (export "run") (local i32)
                (drop (call $kv_put (i32.const 16) (i32.const 2) (i32.const 18) (i32.const 3)))
                (loop
                    (drop (call $sleep (i32.const 10)))
                    (call $digit (local.get 0))
                    (br_if 0 (i32.lt_u
                        (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 5)))))"#,
        );
        for (at, value) in damage {
            *at.get_mut(&mut module) = value;
        }
        let target = Target::new(0, 0);
        let judged = check(&Wasmi, &module, &target, &limits());
        match Vm::start(&Wasmi, &module, &target, &limits()) {
            Err(_rejection) => {}
            Ok(mut vm) => {
                prop_assert!(judged.is_ok());
                let mut firmware = Firmware::default();
                // Bytecode may wait for ever: a deadline is the agent's. Hence a bound of turns.
                for _ in 0..200 {
                    match vm.turn(&mut firmware, &mut NoFota) {
                        Turn::Runnable => {}
                        Turn::Waiting { until_ms } => firmware.now_ms = until_ms,
                        Turn::Ended(_) => break,
                    }
                }
            }
        }
    }
}
