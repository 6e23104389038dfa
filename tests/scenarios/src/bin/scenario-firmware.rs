//! The firmware of the scenarios. What it does wrong is written in its own label.

use otaru_board_host::{DATA, DEVICE_BLOCK_AT, HostFlash, HostPlatform, TakeError};
use otaru_flash::{DEVICE_BLOCK_LEN, DeviceBlock, Flash as _, Slot};
use otaru_record::SlotReader;
use otaru_runtime::data::{Data, Key, Schema};
use otaru_runtime::{Application, MayInstall, Platform, Status, println, run};

struct Behaviour {
    label: String,
}

impl Behaviour {
    fn is(&self, word: &str) -> bool {
        self.label.contains(word)
    }
}

impl Application for Behaviour {
    fn may_install(&mut self) -> MayInstall<'_> {
        if self.is("declines") {
            MayInstall::Refuse("the valve is open")
        } else {
            MayInstall::Yes
        }
    }

    fn healthy(&mut self) -> Result<(), &str> {
        if self.is("unhealthy") {
            Err("sensor 3 does not answer")
        } else {
            Ok(())
        }
    }
}

fn main() -> Result<(), TakeError> {
    let board = HostPlatform::take()?;
    let label = label_in(&mut board.board().flash());
    let mut behaviour = Behaviour { label };
    println!(&board, "firmware {} starts", behaviour.label);
    if behaviour.is("exit") {
        std::process::exit(3);
    }
    assert!(!behaviour.is("panic"), "the pressure went below zero");
    let status = Status::new();
    if behaviour.is("settings") {
        let schema = Schema(if behaviour.is("settings2") { 2 } else { 1 });
        let work = settings(&board, &status, schema);
        board.block_on(run(&board, board.flash(), &mut behaviour, &status, work));
        return Ok(());
    }
    let hangs = behaviour.is("hang");
    let flash = board.board().flash();
    let work = async {
        let mut count = 0_u32;
        loop {
            count += 1;
            println!(&board, "count {count} version {}", status.version());
            if hangs {
                loop {
                    std::hint::spin_loop();
                }
            }
            board.sleep_ms(100).await;
        }
    };
    board.block_on(run(&board, flash, &mut behaviour, &status, work));
    Ok(())
}

/// Counts its starts in a setting, of the form that it was written for.
async fn settings(board: &HostPlatform, status: &Status, schema: Schema) {
    const STARTS: Key = Key(1);
    let at = board.boot().device_block_at;
    let mut data = Data::on_device(board.flash(), at, DATA).expect("the data area is good");
    let starts = match data.get(STARTS, schema) {
        Some(value) => {
            println!(
                board,
                "start {:?} of schema {}", value.bytes, value.schema.0
            );
            value.bytes.first().copied().unwrap_or(0)
        }
        None => 0,
    };
    data.put(STARTS, schema, &[starts + 1]).expect("it fits");
    loop {
        if let Some(permanent) = status.permanent() {
            data.retire(STARTS, schema, permanent)
                .expect("it can be written");
            println!(
                board,
                "version {} keeps schema {} only",
                status.version(),
                schema.0
            );
            return;
        }
        board.sleep_ms(100).await;
    }
}

/// The label of the image that runs.
fn label_in(flash: &mut HostFlash) -> String {
    let mut raw = [0; DEVICE_BLOCK_LEN];
    flash
        .read(DEVICE_BLOCK_AT, &mut raw)
        .expect("the bootloader read it too");
    let layout = DeviceBlock::decode(&raw)
        .expect("the bootloader checked it")
        .layout;
    let mut source = SlotReader::new(flash, &layout, Slot::Execution);
    let info = otaru_image::inspect(&mut source, layout.execution.len).expect("this image runs");
    info.label
        .map_or_else(String::new, |label| label.as_str().to_owned())
}
