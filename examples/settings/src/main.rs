//! Keeps a setting through updates and reverts.
//!
//! The first version of this firmware kept a counter's step as one byte, schema 1. This one keeps it
//! as two, schema 2. While it is on trial the old version may come back, so it writes both; when it is
//! permanent it retires schema 1. `docs/data.md` of Otaru has the rule.

use otaru_board_host::{DATA, HostPlatform};
use otaru_runtime::data::{Data, Key, Put, Schema, Value};
use otaru_runtime::{Platform, Status, println, run};
use std::error::Error;

/// How much is added every second.
const STEP: Key = Key(1);
/// One byte.
const BYTE: Schema = Schema(1);
/// Two bytes, little-endian.
const WORD: Schema = Schema(2);

/// The step in any form that this version understands.
fn step_of(value: Option<Value<'_>>) -> u16 {
    match value {
        Some(Value {
            schema: BYTE,
            bytes: &[step],
        }) => u16::from(step),
        Some(Value {
            schema: WORD,
            bytes: &[low, high],
        }) => u16::from_le_bytes([low, high]),
        // Nothing there yet.
        _ => 1,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let board = HostPlatform::take()?;
    let mut data = Data::on_device(board.flash(), board.boot().device_block_at, DATA)
        .map_err(|cause| cause.to_string())?;
    let mut step = step_of(data.get(STEP, WORD));
    let status = Status::new();
    let work = async {
        let mut count = 0_u16;
        loop {
            println!(&board, "version {}: {count}, step {step}", status.version());
            count = count.wrapping_add(step);
            // The setting changes now and then, as a user would change it.
            if count.is_multiple_of(5) {
                step = step % 9 + 1;
                let word = step.to_le_bytes();
                let [byte, _] = word;
                let in_words = Put {
                    key: STEP,
                    schema: WORD,
                    bytes: &word,
                };
                let in_bytes = Put {
                    key: STEP,
                    schema: BYTE,
                    bytes: &[byte],
                };
                let saved = match status.permanent() {
                    None => data.put_all(&[in_bytes, in_words]),
                    Some(permanent) => data
                        .put_all(&[in_words])
                        .and_then(|()| data.retire(STEP, WORD, permanent)),
                };
                if let Err(cause) = saved {
                    println!(&board, "{cause}");
                }
            }
            board.sleep_ms(1000).await;
        }
    };
    board.block_on(run(&board, board.flash(), &mut (), &status, work));
    Ok(())
}
