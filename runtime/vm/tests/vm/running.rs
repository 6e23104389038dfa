//! What good bytecode sees.

use otaru_runtime_vm::abi::{Errno, Level, Target};
use otaru_runtime_vm::engine::Wasmi;
use otaru_runtime_vm::{Ended, Fota, Limits, NoFota, Turn, Undelivered, Vm};

use crate::firmware::Firmware;
use crate::modules::program;

fn start(module: &[u8]) -> Vm<'_, Wasmi> {
    Vm::start(&Wasmi, module, &Target::new(0, 0), &Limits::default()).expect("the module is good")
}

fn run(body: &str) -> (Firmware, Ended) {
    let module = program(body);
    let mut firmware = Firmware::default();
    let ended = firmware.run(&mut start(&module), &mut NoFota);
    (firmware, ended)
}

#[test]
fn a_line_is_printed_with_its_level() {
    let (firmware, ended) = run(r#"(func (export "run")
        (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5))))"#);
    assert_eq!(ended, Ended::Finished);
    assert_eq!(firmware.lines, [(Level::Warn, "hello".to_owned())]);
}

#[test]
fn sleep_ends_the_turn_and_lets_time_pass() {
    let module = program(
        r#"(func (export "run")
            (drop (call $sleep (i32.const 250)))
            (call $digit (i32.wrap_i64 (i64.div_u (call $millis) (i64.const 100)))))"#,
    );
    let (mut vm, mut firmware) = (start(&module), Firmware::default());
    let mut turn = |firmware: &mut Firmware| vm.turn(firmware, &mut NoFota);
    assert_eq!(turn(&mut firmware), Turn::Waiting { until_ms: 250 });
    firmware.now_ms = 249;
    assert_eq!(turn(&mut firmware), Turn::Waiting { until_ms: 250 });
    assert!(firmware.lines.is_empty());
    firmware.now_ms = 300;
    assert_eq!(turn(&mut firmware), Turn::Ended(Ended::Finished));
    assert_eq!(firmware.text(), ["3"]);
}

#[test]
fn long_work_is_cut_into_turns_and_comes_to_its_end() {
    let (firmware, ended) = run(r#"(func (export "run") (local i32)
        (loop (br_if 0 (i32.lt_u
            (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 300000))))
        (call $digit (i32.div_u (local.get 0) (i32.const 100000))))"#);
    assert_eq!((ended, firmware.text()), (Ended::Finished, vec!["3"]));
    // B26: at 20,000 units of fuel a turn, the firmware had its own turn many times.
    assert!(firmware.turns > 20, "{} turns", firmware.turns);
}

#[test]
fn values_are_stored_and_read_even_over_their_own_key() {
    let (firmware, ended) = run(r#"(func (export "run")
        ;; "he" = "llo"; then read it over the key itself.
        (drop (call $kv_put (i32.const 16) (i32.const 2) (i32.const 18) (i32.const 3)))
        (call $digit (call $kv_get (i32.const 16) (i32.const 2) (i32.const 16) (i32.const 8)))
        (drop (call $log (i32.const 3) (i32.const 16) (i32.const 3)))
        ;; What is not there: NotFound is 3.
        (call $digit (i32.sub (i32.const 0)
            (call $kv_get (i32.const 20) (i32.const 1) (i32.const 64) (i32.const 8))))
        ;; What does not fit: TooLong is 5; the key is "he" no longer, so put it again.
        (drop (call $kv_put (i32.const 16) (i32.const 2) (i32.const 16) (i32.const 8)))
        (call $digit (i32.sub (i32.const 0)
            (call $kv_get (i32.const 16) (i32.const 2) (i32.const 64) (i32.const 7)))))"#);
    assert_eq!(ended, Ended::Finished);
    assert_eq!(firmware.text(), ["3", "llo", "3", "5"]);
    assert_eq!(firmware.values.get(&b"he"[..]), Some(&b"llo".to_vec()));
}

#[test]
fn messages_go_both_ways_and_a_wait_for_one_ends() {
    let module = program(
        r#"(func (export "run") (local i64)
            (local.set 0 (call $receive (i32.const 1000) (i32.const 64) (i32.const 256)))
            (call $digit (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
            (call $digit (i32.wrap_i64 (local.get 0)))
            ;; Topic and payload change places.
            (drop (call $publish (i32.const 66) (i32.const 3) (i32.const 64) (i32.const 2)))
            ;; TimedOut is 6.
            (call $digit (i32.wrap_i64 (i64.sub (i64.const 0)
                (call $receive (i32.const 50) (i32.const 64) (i32.const 256))))))"#,
    );
    let (mut vm, mut firmware) = (start(&module), Firmware::default());
    assert_eq!(
        vm.turn(&mut firmware, &mut NoFota),
        Turn::Waiting { until_ms: 1000 }
    );
    firmware.now_ms = 20;
    vm.deliver(b"to", b"abc").unwrap();
    assert_eq!(
        vm.turn(&mut firmware, &mut NoFota),
        Turn::Waiting { until_ms: 70 }
    );
    assert_eq!(firmware.run(&mut vm, &mut NoFota), Ended::Finished);
    assert_eq!(firmware.text(), ["2", "3", "6"]);
    assert_eq!(firmware.published, [("abc".to_owned(), b"to".to_vec())]);
    assert_eq!(firmware.now_ms, 70);
}

#[test]
fn more_messages_than_may_wait_are_dropped_and_counted() {
    let module = program(r#"(func (export "run"))"#);
    let mut vm = start(&module);
    for _ in 0..4 {
        vm.deliver(b"t", b"p").unwrap();
    }
    assert_eq!(vm.deliver(b"t", b"p"), Err(Undelivered::Full));
    assert_eq!(vm.deliver(&[b't'; 65], b"p"), Err(Undelivered::TooLong));
    assert_eq!(vm.dropped(), 2);
}

#[test]
fn pins_are_the_firmwares_to_give() {
    let (firmware, ended) = run(r#"(func (export "run")
        ;; Denied is 9: the pin was not configured.
        (call $digit (i32.sub (i32.const 0) (call $gpio_write (i32.const 13) (i32.const 1))))
        (call $digit (call $gpio_configure (i32.const 13) (i32.const 3)))
        (call $digit (call $gpio_write (i32.const 13) (i32.const 1)))
        ;; Invalid is 2: there is no such level, no such mode.
        (call $digit (i32.sub (i32.const 0) (call $gpio_write (i32.const 13) (i32.const 2))))
        (call $digit (i32.sub (i32.const 0) (call $gpio_configure (i32.const 13) (i32.const 9)))))"#);
    assert_eq!(ended, Ended::Finished);
    assert_eq!(firmware.text(), ["9", "0", "0", "2", "2"]);
    assert_eq!(firmware.pins.get(&13), Some(&true));
}

/// B2, B3: on a device without FOTA the functions can be imported, and say that they are not there.
#[test]
fn without_fota_its_functions_say_unsupported() {
    let (firmware, ended) = run(r#"(func (export "run")
        (call $digit (i32.sub (i32.const 0) (call $get_record (i32.const 64))))
        (call $digit (i32.sub (i32.const 0) (call $restart)))
        (call $digit (i32.load (i32.const 64))))"#);
    assert_eq!(ended, Ended::Finished);
    assert_eq!(firmware.text(), ["1", "1", "0"]);
}

struct Restarts;

impl Fota for Restarts {
    fn get_record(&mut self, record: &mut [u8; 36]) -> Result<(), Errno> {
        record.fill(0);
        record[32] = 7;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

/// B57: restart does not return.
#[test]
fn a_restart_ends_the_bytecode_for_good() {
    let module = program(
        r#"(func (export "run")
            (drop (call $get_record (i32.const 64)))
            (call $digit (i32.load8_u (i32.const 96)))
            (drop (call $restart))
            (call $digit (i32.const 9)))"#,
    );
    let (mut vm, mut firmware) = (start(&module), Firmware::default());
    assert_eq!(firmware.run(&mut vm, &mut Restarts), Ended::Restart);
    assert_eq!(
        vm.turn(&mut firmware, &mut Restarts),
        Turn::Ended(Ended::Restart)
    );
    assert_eq!(firmware.text(), ["7"]);
}
