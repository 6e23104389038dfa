//! The chip of a firmware that is only measured: flash, clock, light and network are registers that
//! do not exist. Every access is volatile, so nothing is optimised away.
use core::net::SocketAddr;
use core::ptr::{read_volatile, write_volatile};
use edge_nal::{Close, Readable, TcpConnect, TcpShutdown, TcpSplit};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use otaru_flash::Flash;
use otaru_runtime::{Boot, Platform, ResetReason};

const BASE: usize = 0x4000_0000;

fn peek(at: usize) -> u32 {
    // SAFETY: an aligned word of the peripherals' address range; nobody runs this.
    unsafe { read_volatile((BASE + at * 4) as *const u32) }
}

fn poke(at: usize, value: u32) {
    // SAFETY: an aligned word of the peripherals' address range; nobody runs this.
    unsafe { write_volatile((BASE + at * 4) as *mut u32, value) }
}

pub struct Chip;
#[derive(Debug)]
pub struct Failed;

impl Flash for Chip {
    type Error = Failed;
    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Failed> {
        let mut at = offset as usize;
        for byte in buf {
            // SAFETY: flash is mapped from address 0; nobody runs this.
            *byte = unsafe { read_volatile(at as *const u8) };
            at += 1;
        }
        Ok(())
    }
    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Failed> {
        for (at, word) in data.as_chunks::<4>().0.iter().enumerate() {
            let address = (offset as usize + at * 4) as *mut u32;
            // SAFETY: an aligned word of flash, which is mapped from address 0; nobody runs this.
            unsafe { write_volatile(address, u32::from_le_bytes(*word)) }
            if peek(1) == 0 {
                return Err(Failed);
            }
        }
        Ok(())
    }
    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Failed> {
        for at in (offset..offset + len).step_by(0x1000) {
            poke(2, at);
            if peek(1) == 0 {
                return Err(Failed);
            }
        }
        Ok(())
    }
}

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("failed")
    }
}
impl core::error::Error for Failed {}
impl embedded_io_async::Error for Failed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
pub struct Socket;
impl ErrorType for Socket {
    type Error = Failed;
}
impl Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Failed> {
        let mut len = 0;
        for byte in buf {
            embassy_futures::yield_now().await;
            if peek(4) == 0 {
                break;
            }
            *byte = peek(5) as u8;
            len += 1;
        }
        Ok(len)
    }
}
impl Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Failed> {
        for byte in buf {
            poke(6, u32::from(*byte));
        }
        Ok(buf.len())
    }
    async fn flush(&mut self) -> Result<(), Failed> {
        Ok(())
    }
}
impl Readable for Socket {
    async fn readable(&mut self) -> Result<(), Failed> {
        Ok(())
    }
}
impl TcpShutdown for Socket {
    async fn close(&mut self, _what: Close) -> Result<(), Failed> {
        Ok(())
    }
    async fn abort(&mut self) -> Result<(), Failed> {
        Ok(())
    }
}
impl TcpSplit for Socket {
    type Read<'a> = Socket;
    type Write<'a> = Socket;
    fn split(&mut self) -> (Socket, Socket) {
        (Socket, Socket)
    }
}
impl TcpConnect for Chip {
    type Error = Failed;
    type Socket<'a> = Socket;
    async fn connect(&self, remote: SocketAddr) -> Result<Socket, Failed> {
        poke(7, u32::from(remote.port()));
        if peek(7) == 0 {
            Err(Failed)
        } else {
            Ok(Socket)
        }
    }
}
impl Platform for Chip {
    type Net = Chip;
    fn net(&self) -> &Chip {
        self
    }
    fn boot(&self) -> Boot<'_> {
        // SAFETY: the linker leaves the last 2 KiB of RAM alone; nobody writes this half.
        let handover = unsafe { core::slice::from_raw_parts(0x2003_F800 as *const u8, 1024) };
        Boot {
            device_block_at: 0x8000,
            handover,
            bootloader: "",
        }
    }
    fn now_ms(&self) -> u64 {
        u64::from(peek(8))
    }
    async fn sleep_ms(&self, ms: u32) {
        let until = self.now_ms() + u64::from(ms);
        while self.now_ms() < until {
            embassy_futures::yield_now().await;
        }
    }
    fn random(&self) -> u32 {
        peek(9)
    }
    fn feed_watchdog(&self) {
        poke(10, 1);
    }
    fn print(&self, text: &str) {
        for byte in text.bytes() {
            poke(11, u32::from(byte));
        }
    }
    fn with_retained(&self, use_it: &mut dyn FnMut(&mut [u8])) {
        // SAFETY: the linker leaves the last 2 KiB of RAM alone; only the agent asks for this half.
        let retained = unsafe { core::slice::from_raw_parts_mut(0x2003_FC00 as *mut u8, 1024) };
        use_it(retained);
    }
    fn reset(&self, reason: ResetReason) {
        poke(12, matches!(reason, ResetReason::Install).into());
    }
}
/// How bright it is outside.
pub fn daylight() -> u32 {
    peek(20)
}

/// How bright the lamp is.
pub fn light(level: u32) {
    poke(21, level);
}

/// No interrupt is used.
// SAFETY: the start-up code expects this table under this name, in this section.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [usize; 48] = [0; 48];
