//! The firmware of the scenarios with parts: it says which resources were installed with it, and is
//! healthy if they are of use.

use otaru_board_host::{DEVICE_BLOCK_AT, HostFlash, HostPlatform, TakeError};
use otaru_runtime::parts::find_part;
use otaru_runtime::{Application, Platform, Status, println, run};

/// Resources that begin so are of no use.
const USELESS: &str = "useless";

struct Lamp {
    resources: String,
}

impl Application for Lamp {
    fn healthy(&mut self) -> Result<(), &str> {
        if self.resources.contains(USELESS) {
            Err("these resources are of no use")
        } else {
            Ok(())
        }
    }
}

fn main() -> Result<(), TakeError> {
    let board = HostPlatform::take()?;
    let resources = resources(&mut board.flash());
    println!(
        &board,
        "firmware {} with {resources}",
        env!("CARGO_PKG_VERSION")
    );
    let mut lamp = Lamp { resources };
    let status = Status::new();
    let work = async {
        loop {
            println!(&board, "version {}", status.version());
            board.sleep_ms(500).await;
        }
    };
    board.block_on(run(&board, board.flash(), &mut lamp, &status, work));
    Ok(())
}

/// Version and first line of part 1.
fn resources(flash: &mut HostFlash) -> String {
    match find_part(flash, DEVICE_BLOCK_AT, 1) {
        Ok(Some(part)) => {
            let mut text = [0; 32];
            match part.read(flash, 0, &mut text) {
                Ok(()) => {
                    let text = String::from_utf8_lossy(&text);
                    let line = text.lines().next().unwrap_or_default();
                    format!("resources {}: {line}", part.info().header.version)
                }
                Err(error) => format!("unreadable resources: {error}"),
            }
        }
        Ok(None) => "no resources".to_owned(),
        Err(error) => format!("unreadable resources: {error}"),
    }
}
