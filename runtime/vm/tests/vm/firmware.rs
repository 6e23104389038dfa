//! A firmware as a test sees it: a clock that it moves, a console that it reads.

use std::collections::BTreeMap;

use otaru_runtime_vm::abi::{Errno, Level, PinMode};
use otaru_runtime_vm::engine::Wasmi;
use otaru_runtime_vm::{Ended, Fota, Host, Turn, Vm};

/// More turns than any test here needs; a test that reaches it has found a hang.
const TURNS_MAX: usize = 100_000;

#[derive(Default)]
pub(crate) struct Firmware {
    pub(crate) now_ms: u64,
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) values: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) published: Vec<(String, Vec<u8>)>,
    pub(crate) pins: BTreeMap<u32, bool>,
    /// Turns after which the bytecode had to be called again.
    pub(crate) turns: usize,
}

impl Host for Firmware {
    fn now_ms(&mut self) -> u64 {
        self.now_ms
    }

    fn line(&mut self, level: Level, text: &[u8]) -> Result<(), Errno> {
        self.lines
            .push((level, String::from_utf8_lossy(text).into_owned()));
        Ok(())
    }

    fn random(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        buffer.fill(0xa5);
        Ok(())
    }

    fn kv_get(&mut self, key: &[u8], value: &mut [u8]) -> Result<usize, Errno> {
        let found = self.values.get(key).ok_or(Errno::NotFound)?;
        let room = value.get_mut(..found.len()).ok_or(Errno::TooLong)?;
        room.copy_from_slice(found);
        Ok(found.len())
    }

    fn kv_put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Errno> {
        self.values.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn kv_delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        self.values.remove(key);
        Ok(())
    }

    fn publish(&mut self, topic: &[u8], payload: &[u8]) -> Result<(), Errno> {
        let topic = String::from_utf8_lossy(topic).into_owned();
        self.published.push((topic, payload.to_vec()));
        Ok(())
    }

    fn pin_configure(&mut self, pin: u32, _mode: PinMode) -> Result<(), Errno> {
        self.pins.insert(pin, false);
        Ok(())
    }

    fn pin_read(&mut self, pin: u32) -> Result<bool, Errno> {
        self.pins.get(&pin).copied().ok_or(Errno::Denied)
    }

    fn pin_write(&mut self, pin: u32, high: bool) -> Result<(), Errno> {
        *self.pins.get_mut(&pin).ok_or(Errno::Denied)? = high;
        Ok(())
    }
}

impl Firmware {
    /// Gives turns until the bytecode has ended, and lets time pass where it waits.
    pub(crate) fn run(&mut self, vm: &mut Vm<'_, Wasmi>, fota: &mut impl Fota) -> Ended {
        for _ in 0..TURNS_MAX {
            self.turns += 1;
            match vm.turn(self, fota) {
                Turn::Runnable => {}
                Turn::Waiting { until_ms } => self.now_ms = self.now_ms.max(until_ms),
                Turn::Ended(ended) => return ended,
            }
        }
        panic!("no end after {TURNS_MAX} turns");
    }

    pub(crate) fn text(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, text)| text.as_str()).collect()
    }
}
