//! The program that the tests of this package run as CPU and as image. What it does is its first
//! argument, or without one the text at the start of the script sector.
#![expect(
    clippy::print_stdout,
    clippy::exit,
    reason = "its console is its standard output, and some tests are about how it ends"
)]

use otaru_board_host::{Board, HostFlash, cpu};
use otaru_flash::Flash;
use std::io::{Read, Write};
use std::net::SocketAddr;

const SECTOR: u32 = 4096;
/// Where the tests put the image.
const IMAGE: u32 = 0x1_0000;
/// Where the tests of a whole boot put the execution slot.
const EXECUTION: u32 = 0x8_0000;
/// Where the tests put the script of an image, and the image's length.
const SCRIPT: u32 = 0xF000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("cpu") {
        cpu::main();
    }
    let board = match Board::take() {
        Ok(board) => board,
        Err(error) => {
            println!("{error}");
            std::process::exit(2);
        }
    };
    let script = std::env::args().nth(1).unwrap_or_else(|| {
        let mut text = [0; 16];
        board.flash().read(SCRIPT, &mut text).expect("flash reads");
        let len = text.iter().position(|&byte| byte == 0xFF).unwrap_or(16);
        String::from_utf8_lossy(&text[..len]).into_owned()
    });
    println!(
        "{script} boot={} cause={}",
        board.boots(),
        board.reset_cause()
    );
    let mut header = [0; 24];
    board
        .flash()
        .read(EXECUTION, &mut header)
        .expect("flash reads");
    if header.starts_with(&[0x3D, 0xB8, 0xF3, 0x96]) {
        println!("firmware {}.{}", header[20], header[21]);
    }
    act(&board, &script);
    wait();
}

/// Does what the script says.
fn act(board: &Board, script: &str) {
    let mut flash = board.flash();
    match script {
        "boot" => {
            let mut len = [0; 4];
            flash.read(SCRIPT + 16, &mut len).expect("flash reads");
            let error = cpu::execute(&mut flash, IMAGE, u32::from_le_bytes(len));
            println!("not executed: {error}");
        }
        "retained" => retained(board),
        "watchdog" => watchdog(board),
        "rules" => rules(&mut flash),
        "count" => count(&mut flash),
        "torn" => torn(board, &mut flash),
        "partial" => {
            print!("no end");
            std::io::stdout().flush().expect("console");
        }
        "spam" => loop {
            println!("{}", "spam ".repeat(20));
        },
        "exit" => std::process::exit(3),
        "abort" => std::process::abort(),
        "part" => part(&mut flash),
        "hang" => loop {
            std::hint::spin_loop();
        },
        "confirm" => confirm(board, &mut flash),
        "confirm exit" => {
            confirm(board, &mut flash);
            std::process::exit(0);
        }
        "reset" if board.boots() == 1 => board.reset(),
        "panic" => {
            let kept = board.retained().clone();
            Board::reset_on_panic(move |text| kept.write(2048, text.as_bytes()));
            let mut text = [0; 16];
            board.retained().read(2048, &mut text);
            if text.starts_with(b"panic: ") {
                println!("kept {}", String::from_utf8_lossy(&text));
            } else {
                panic!("on purpose");
            }
        }
        "close" => {
            // Standard input is the wire: a program that closes it cannot go on.
            drop(shut_wire_down());
        }
        script => {
            if let Some(port) = script.strip_prefix("net ") {
                network(board, port.parse().expect("a port"));
            }
        }
    }
}

/// Confirms the trial, if this is one.
fn confirm(board: &Board, flash: &mut HostFlash) {
    let mut block = [0; otaru_flash::DEVICE_BLOCK_LEN];
    flash.read(0, &mut block).expect("flash reads");
    let block = otaru_flash::DeviceBlock::decode(&block).expect("a device block");
    let handover = board.retained().handover();
    let mut journal =
        otaru_record::Journal::take_over(&block.layout, &handover).expect("a handover");
    let state = *journal.state();
    if state.phase() == otaru_record::Phase::Trial {
        let mode = block.layout.mode;
        let next = state
            .confirmed(mode, state.attempt(), 1, 0)
            .expect("on trial");
        journal.append(flash, &next).expect("the record takes it");
        println!("confirmed by {}", board.retained().bootloader());
    }
}

/// Shows the beginning of the first part that was installed with this firmware.
fn part(flash: &mut HostFlash) {
    match otaru_runtime_agent::find_part(flash, 0, 1) {
        Ok(Some(part)) => {
            let mut text = [0; 5];
            part.read(flash, 0, &mut text).expect("flash reads");
            let beyond = part.read(flash, part.len() - 4, &mut [0; 5]);
            let version = part.info().header.version;
            println!(
                "part {version} {} {beyond:?}",
                String::from_utf8_lossy(&text)
            );
        }
        other => println!("no part: {other:?}"),
    }
}

/// Waits until the chip ends this process.
fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

fn retained(board: &Board) {
    let mut found = [0; 8];
    board.retained().read(4000, &mut found);
    let kept = found == *b"RETAINED";
    board.retained().write(4000, b"RETAINED");
    println!("retained kept={kept}");
}

fn watchdog(board: &Board) {
    if board.boots() > 1 {
        println!("watchdog after={}", board.watchdog_ms());
        return;
    }
    println!("watchdog off={:?}", board.arm_watchdog(0));
    board.arm_watchdog(300).expect("the watchdog can be armed");
    for _ in 0..1000 {
        board.feed_watchdog();
    }
    println!("watchdog fed");
}

fn rules(flash: &mut HostFlash) {
    let len = 0x2_0000;
    let mut buf = [0; 16];
    println!("outside read {:?}", flash.read(len - 8, &mut buf));
    println!("outside program {:?}", flash.program(len, &[0; 8]));
    println!("outside erase {:?}", flash.erase(len, SECTOR));
    println!("between areas {:?}", flash.erase(0x5000, SECTOR));
    println!("across areas {:?}", flash.erase(0x3000, 2 * SECTOR));
    println!("unaligned program {:?}", flash.program(4, &[0; 8]));
    println!("short program {:?}", flash.program(0, &[0; 4]));
    println!("empty program {:?}", flash.program(0, &[]));
    println!("unaligned erase {:?}", flash.erase(8, SECTOR));
    println!("first program {:?}", flash.program(0, &[0xF0; 16]));
    println!("same again {:?}", flash.program(8, &[0xF0; 8]));
    println!("fewer bits {:?}", flash.program(8, &[0x00; 8]));
    println!("blank twice {:?}", flash.program(16, &[0xFF; 8]));
    println!("blank again {:?}", flash.program(16, &[0xFF; 8]));
    flash.read(0, &mut buf).expect("flash reads");
    println!("content {buf:02x?}");
    println!("erase {:?}", flash.erase(0, SECTOR));
    flash.read(0, &mut buf).expect("flash reads");
    println!("erased {buf:02x?}");
    println!("after erase {:?}", flash.program(8, &[0x55; 8]));
    println!("rules done");
}

/// Erases a sector and programs it unit by unit, on and on.
fn count(flash: &mut HostFlash) {
    for round in 0_u32.. {
        println!("count round {round}");
        flash.erase(0, SECTOR).expect("erase");
        for unit in 0..SECTOR / 8 {
            let value = u64::from(unit).to_le_bytes();
            flash.program(unit * 8, &value).expect("program");
        }
    }
}

/// First boot: programs a sector of zeros, and is cut. Later boots: show what is left.
fn torn(board: &Board, flash: &mut HostFlash) {
    let mut sector = [0; SECTOR as usize];
    flash.read(0, &mut sector).expect("flash reads");
    if board.boots() == 1 {
        flash.program(0, &[0; SECTOR as usize]).expect("program");
        println!("torn survived");
    } else {
        let ones: u32 = sector.iter().map(|byte| byte.count_ones()).sum();
        let again = flash.program(0, &[0; 8]);
        println!("torn ones={ones} again={again:?}");
    }
}

fn network(board: &Board, port: u16) {
    use edge_nal::TcpConnect;
    use embedded_io_async::Read as _;
    let net = board.network();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    futures_lite::future::block_on(async {
        println!("net online={}", net.is_online());
        let mut socket = net.connect(address).await.expect("connect");
        let mut buf = [0; 16];
        for _ in 0..2 {
            match socket.read(&mut buf).await {
                Ok(count) => println!("net got {}", String::from_utf8_lossy(&buf[..count])),
                Err(error) => println!("net read: {error}"),
            }
        }
        match net.connect(address).await {
            Ok(_socket) => println!("net connected"),
            Err(error) => println!("net connect: {error}"),
        }
    });
}

fn shut_wire_down() -> std::io::Result<()> {
    // Shutting the socket down is what the chip sees either way.
    use std::os::fd::AsFd;
    let wire = std::os::unix::net::UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    wire.shutdown(std::net::Shutdown::Both)?;
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}
