//! A firmware as its author writes it: agent and application on one executor.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use edge_nal_std::Stack;
use futures_lite::future::or;
use otaru_flash::Flash;
use otaru_runtime::agent::tail;
use otaru_runtime::{Boot, Platform, ResetReason, Status, println, run};

/// A flash that holds nothing: a board that was never flashed.
struct Blank;

impl Flash for Blank {
    type Error = ();

    fn read(&mut self, _offset: u32, buf: &mut [u8]) -> Result<(), ()> {
        buf.fill(0xFF);
        Ok(())
    }

    fn program(&mut self, _offset: u32, _data: &[u8]) -> Result<(), ()> {
        Err(())
    }

    fn erase(&mut self, _offset: u32, _len: u32) -> Result<(), ()> {
        Err(())
    }
}

struct Board {
    net: Stack,
    console: RefCell<String>,
    retained: RefCell<Vec<u8>>,
    started: Instant,
    fed: Cell<u32>,
}

impl Platform for Board {
    type Net = Stack;

    fn net(&self) -> &Stack {
        &self.net
    }

    fn boot(&self) -> Boot<'_> {
        Boot {
            device_block_at: 0,
            handover: &[],
            bootloader: "",
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep_ms(&self, ms: u32) {
        Timer::after(Duration::from_millis(u64::from(ms))).await;
    }

    fn random(&self) -> u32 {
        4
    }

    fn feed_watchdog(&self) {
        self.fed.set(self.fed.get() + 1);
    }

    fn print(&self, text: &str) {
        self.console.borrow_mut().push_str(text);
    }

    fn with_retained(&self, use_it: &mut dyn FnMut(&mut [u8])) {
        use_it(&mut self.retained.borrow_mut());
    }

    fn reset(&self, reason: ResetReason) {
        panic!("nobody asks for a reset here: {reason}");
    }
}

#[test]
fn application_runs_without_updates_and_the_agent_outlives_it() {
    // B2: linking the agent on a board without an update record does no harm.
    let board = Board {
        net: Stack::new(),
        console: RefCell::new(String::new()),
        retained: RefCell::new(vec![0; 2048]),
        started: Instant::now(),
        fed: Cell::new(0),
    };
    board.with_retained(&mut |ram| tail::begin(ram, [1; 8], 7));
    let status = Status::new();
    let work = async {
        for count in 1..=3 {
            println!(&board, "version {}, count {count}", status.version());
            board.sleep_ms(0).await;
        }
    };
    let mut app = ();
    let firmware = async {
        let reason = Box::pin(run(&board, Blank, &mut app, &status, work)).await;
        panic!("ended: {reason}");
    };
    // Three feedings lie a second apart: long after the application has ended.
    let fed_thrice = async {
        while board.fed.get() < 3 {
            board.sleep_ms(10).await;
        }
    };
    block_on(or(fed_thrice, firmware));
    let expect = "ota: no updates: no valid device block; flash the board by cable\n\
                  version unknown, count 1\nversion unknown, count 2\nversion unknown, count 3\n";
    assert_eq!(*board.console.borrow(), expect);
    // What was printed is also kept for the firmware that may follow.
    board.with_retained(&mut |ram| {
        tail::begin(ram, [2; 8], 0);
        assert_eq!(tail::of_attempt(ram, 7), expect);
    });
    assert!(!status.online());
}
