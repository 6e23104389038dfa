//! The driver on real sockets, against the server of the tests.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use edge_nal_std::Stack;
use futures_lite::future::or;
use otaru_bootloader::ResetCause;
use otaru_ddi::Reason;
use otaru_flash::{Flash, Mode};
use otaru_record::Phase;
use otaru_runtime_agent::{
    Application, Boot, MayInstall, Platform, Progress, ResetReason, Status, UpdatePhase,
    begin_console, print_line, run,
};
use otaru_sim::SimFlash;

use crate::cloud::{Offer, Ranges};
use crate::server::Server;
use crate::world::{World, digest, hex, signed};

/// The device's clock runs this much faster, so that its pauses do not make the tests slow.
const SPEED: u64 = 50;
/// The sleep that the server asks for: the sign that the device has nothing to do.
const IDLE_MS: u32 = 13_000;
/// Longer than any life of a device in these tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// Devices that run at once where a test needs thousands of updates.
const WORKERS: u64 = 6;

struct Board {
    net: Stack,
    handover: Vec<u8>,
    retained: RefCell<Vec<u8>>,
    console: RefCell<String>,
    started: Instant,
    idle: Cell<bool>,
    fed: Cell<u64>,
}

impl Platform for Board {
    type Net = Stack;

    fn net(&self) -> &Stack {
        &self.net
    }

    fn boot(&self) -> Boot<'_> {
        Boot {
            device_block_at: 0,
            handover: &self.handover,
            bootloader: "0.1.0",
        }
    }

    fn now_ms(&self) -> u64 {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap();
        micros * SPEED / 1000
    }

    async fn sleep_ms(&self, ms: u32) {
        if ms == IDLE_MS {
            self.idle.set(true);
        }
        Timer::after(Duration::from_micros(u64::from(ms) * 1000 / SPEED)).await;
    }

    fn random(&self) -> u32 {
        0
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

    fn reset(&self, _reason: ResetReason) {}
}

impl Board {
    fn new(handover: Vec<u8>, retained: Vec<u8>) -> Self {
        Self {
            net: Stack::new(),
            handover,
            retained: RefCell::new(retained),
            console: RefCell::new(String::new()),
            started: Instant::now(),
            idle: Cell::new(false),
            fed: Cell::new(0),
        }
    }
}

/// One life of a firmware: from a boot to a reset, or to idleness (`None`).
pub(crate) fn live(
    world: &mut World,
    cause: ResetCause,
    app: &mut impl Application,
    console: &mut String,
) -> Option<ResetReason> {
    let handover = world.boot(cause).unwrap();
    let board = Board::new(handover, std::mem::take(&mut world.retained));
    let status = Status::new();
    let idle = poll_fn(|_| {
        if board.idle.get() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    });
    let agent = async { Some(run(&board, &mut world.flash, app, &status).await) };
    let late = async {
        Timer::after(PATIENCE).await;
        panic!("nothing happens any more: {}", board.console.borrow());
    };
    let end = block_on(or(or(agent, idle), late));
    assert!(board.fed.get() > 0);
    console.push_str(&board.console.borrow());
    world.retained = board.retained.into_inner();
    world.outcome = status.outcome();
    end
}

/// A start of a firmware that says `words` and comes to an end before its agent has done anything.
pub(crate) fn fail(world: &mut World, cause: ResetCause, words: &str) {
    let handover = world.boot(cause).unwrap();
    let board = Board::new(handover, std::mem::take(&mut world.retained));
    begin_console(&board, &mut world.flash);
    print_line(&board, format_args!("{words}"));
    world.retained = board.retained.into_inner();
}

/// Lives through resets until the device is idle.
pub(crate) fn live_on(world: &mut World, app: &mut impl Application) -> String {
    live_on_after(world, ResetCause::PowerOn, app)
}

/// The same from this reset on.
pub(crate) fn live_on_after(
    world: &mut World,
    mut cause: ResetCause,
    app: &mut impl Application,
) -> String {
    let mut console = String::new();
    for _ in 0..8 {
        if live(world, cause, app, &mut console).is_none() {
            return console;
        }
        console.push_str("(reset)\n");
        cause = ResetCause::Software;
    }
    panic!("never idle: {console}");
}

fn setup(mode: Mode, len: usize) -> (World, Server, Vec<u8>) {
    let server = Server::start();
    let world = World::new(mode, 5, &server.base);
    let new = signed("1.1.0+2", 2, len);
    // The clock of the device is fast and this machine may be slow.
    let offer = Offer {
        deadline_s: 65_535,
        ..Offer::new(8, "1.1.0+2", &new)
    };
    server.cloud(|cloud| cloud.offer = Some(offer));
    (world, server, new)
}

pub(crate) fn check_confirmed(world: &mut World, server: &Server, new: &[u8], console: &str) {
    assert!(world.runs(new), "{console}");
    assert_eq!(world.state().phase(), Phase::Idle);
    server.cloud(|cloud| {
        assert_eq!(cloud.codes(8).last(), Some(&60), "{console}");
        assert!(cloud.offer.is_none());
    });
}

#[test]
fn update_over_a_real_socket_in_both_modes() {
    // A3 A22 A31 A48
    for mode in [Mode::Standby, Mode::Swap] {
        let (mut world, server, new) = setup(mode, 15_000);
        let console = live_on(&mut world, &mut ());
        check_confirmed(&mut world, &server, &new, &console);
        server.cloud(|cloud| {
            let trial = cloud
                .feedback
                .iter()
                .find(|posted| posted.code == 50)
                .unwrap();
            let hex = hex(&digest(&new));
            let line = &trial.details[0];
            assert!(line.contains(&format!(" digest={hex} from=")), "{line}");
            assert!(line.contains(" version=1.1.0+2 "), "{line}");
            assert_eq!(cloud.config.last().unwrap()["data"]["otaru.boot"], "0.1.0");
            // One connection is enough for everything in one life.
            let polls = cloud.served.len();
            assert!(polls > 15, "{polls}");
        });
    }
}

/// A name and what is changed at the server.
type Way = (&'static str, fn(&Server));

#[test]
fn every_way_of_sending_a_reply_is_understood() {
    // A11: chunked, byte by byte, without ranges, without a length
    let ways: [Way; 5] = [
        ("chunked", |server| server.link(|link| link.chunked = true)),
        ("slow", |server| server.link(|link| link.slow = true)),
        ("without ranges", |server| {
            server.cloud(|cloud| cloud.ranges = Ranges::Ignored);
        }),
        ("closing", |server| {
            server.link(|link| link.old_fashioned = true);
        }),
        ("without entity tags", |server| {
            server.cloud(|cloud| cloud.etags = false);
        }),
    ];
    for (name, way) in ways {
        let (mut world, server, new) = setup(Mode::Swap, 15_000);
        way(&server);
        let console = live_on(&mut world, &mut ());
        assert!(world.runs(&new), "{name}: {console}");
        check_confirmed(&mut world, &server, &new, &console);
    }
}

/// Updates with the connection cut after this many bytes from the server; how many bytes there
/// were, and whether the cut came.
fn update_with_cut(cut_after: Option<u64>, ranges: Ranges, chunked: bool) -> (u64, u32) {
    let (mut world, server, new) = setup(Mode::Swap, 64);
    server.link(|link| {
        link.cut_after = cut_after;
        link.chunked = chunked;
    });
    server.cloud(|cloud| cloud.ranges = ranges);
    let console = live_on(&mut world, &mut ());
    check_confirmed(&mut world, &server, &new, &console);
    assert_eq!(console.matches("(reset)").count(), 1, "{console}");
    server.link(|link| (link.sent, link.cuts))
}

#[test]
fn connection_cut_at_every_byte_is_survived_inside_the_attempt() {
    // A11
    let (total, _) = update_with_cut(None, Ranges::Served, false);
    assert!(total > 2000, "{total}");
    // Each update mostly waits, so several run at once.
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                for cut in (worker..total).step_by(usize::try_from(WORKERS).unwrap()) {
                    let (_, cuts) = update_with_cut(Some(cut), Ranges::Served, false);
                    assert_eq!(cuts, 1, "after {cut} bytes");
                }
            });
        }
    });
}

#[test]
fn connection_cut_in_a_download_is_resumed_by_range_or_skipped_to() {
    // A11 C24: a larger image, cut inside each of its blocks
    for (ranges, chunked) in [
        (Ranges::Served, false),
        (Ranges::Ignored, false),
        (Ranges::Ignored, true),
    ] {
        for cut in (0..18_000).step_by(1500) {
            let (mut world, server, new) = setup(Mode::Swap, 15_000);
            server.cloud(|cloud| cloud.ranges = ranges);
            server.link(|link| {
                link.cut_after = Some(cut);
                link.chunked = chunked;
            });
            let console = live_on(&mut world, &mut ());
            check_confirmed(&mut world, &server, &new, &console);
            assert_eq!(server.link(|link| link.cuts), 1);
        }
    }
}

#[test]
fn held_poll_starts_an_update_at_once() {
    // A21: no sleep between the offer and the download
    let (mut world, server, new) = setup(Mode::Swap, 900);
    let offer = server.cloud(|cloud| cloud.offer.take());
    server.link(|link| link.hold = true);
    let operator = server.clone();
    let waiting = std::thread::spawn(move || {
        operator.wait_for_held_poll();
        operator.cloud(|cloud| cloud.offer = offer);
    });
    let mut console = String::new();
    let end = live(&mut world, ResetCause::PowerOn, &mut (), &mut console);
    waiting.join().unwrap();
    // `None` would mean that the device slept as told in between.
    assert_eq!(end, Some(ResetReason::Install), "{console}");
    server.link(|link| link.hold = false);
    let console = live_on(&mut world, &mut ());
    check_confirmed(&mut world, &server, &new, &console);
}

#[test]
fn failing_firmware_leaves_its_words_and_its_last_lines() {
    // C2 C3 A9: the reason reaches the manager, with the failing firmware's console
    struct Ill;
    impl Application for Ill {
        fn healthy(&mut self) -> Result<(), &str> {
            Err("the sensor\nis missing")
        }
    }
    let (mut world, server, _) = setup(Mode::Standby, 2000);
    let console = live_on(&mut world, &mut Ill);
    assert!(world.runs(&world.old.clone()), "{console}");
    server.cloud(|cloud| {
        let closed = cloud.closed(8).expect("told");
        assert_eq!(closed.code, u64::from(Reason::Unhealthy.code()));
        assert_eq!(
            closed.details[1..],
            [
                "refusal: the sensor is missing",
                "console: ota: running version testing-1.1.0+2",
                "console: ota: on trial for update 8, 65535 s to confirm",
                "console: ota: online",
                "console: ota: trial given up (unhealthy); resetting to revert",
            ]
        );
    });
}

#[test]
fn refusal_of_the_application_reaches_the_manager() {
    // Scenario 12, before the install
    struct Stubborn;
    impl Application for Stubborn {
        fn may_install(&mut self) -> MayInstall<'_> {
            MayInstall::Refuse("calibration is running")
        }
    }
    let (mut world, server, _) = setup(Mode::Standby, 2000);
    live_on(&mut world, &mut Stubborn);
    assert_eq!(world.boots, 1, "no reset");
    server.cloud(|cloud| {
        let closed = cloud.closed(8).expect("told");
        assert_eq!(closed.code, u64::from(Reason::RefusedByApplication.code()));
        assert_eq!(closed.details[1..], ["refusal: calibration is running"]);
    });
}

#[test]
fn silent_manager_ends_the_trial_at_the_deadline() {
    // A9, scenario 14: a poll that is never answered does not outlive the deadline
    let (mut world, server, _) = setup(Mode::Standby, 900);
    server.cloud(|cloud| cloud.offer.as_mut().unwrap().deadline_s = 20);
    let mut console = String::new();
    let end = live(&mut world, ResetCause::PowerOn, &mut (), &mut console);
    assert_eq!(end, Some(ResetReason::Install), "{console}");
    // From here on the server takes connections and never says a word.
    server.link(|link| link.cut_after = None);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    provision(
        &mut world,
        &format!("http://127.0.0.1:{port}/T/controller/v1/d1"),
    );
    let end = live(&mut world, ResetCause::Software, &mut (), &mut console);
    assert_eq!(end, Some(ResetReason::Refused), "{console}");
    provision(&mut world, &server.base);
    let console = live_on(&mut world, &mut ());
    assert!(world.runs(&world.old.clone()), "{console}");
    server.cloud(|cloud| {
        let closed = cloud.closed(8).expect("told");
        assert_eq!(closed.code, u64::from(Reason::ConfirmDeadline.code()));
    });
}

fn provision(world: &mut World, url: &str) {
    let identity = otaru_flash::Identity {
        device_id: "d1",
        token: "secret-token",
        token_kind: otaru_flash::TokenKind::Target,
        ddi_url: url,
        ca: &[],
    };
    otaru_flash::IdentityStore::new(&world.layout)
        .store(&mut world.flash, &identity, &mut [0; 4096])
        .unwrap();
}

#[test]
fn firmware_that_cannot_be_updated_says_why_and_goes_on() {
    // A2: plaintext only on loopback; no handover, no updates
    let check = |prepare: &dyn Fn(&mut World, &mut Vec<u8>), expect: &str| {
        let mut world = World::new(Mode::Standby, 5, "http://127.0.0.1:1/T/c/d1");
        let mut handover = world.boot(ResetCause::PowerOn).unwrap();
        prepare(&mut world, &mut handover);
        let board = Board::new(handover, vec![0; 1024]);
        let status = Status::new();
        let mut app = ();
        let mut agent = pin!(run(&board, &mut world.flash, &mut app, &status));
        let polls = Cell::new(0);
        block_on(poll_fn(|context| {
            assert!(agent.as_mut().poll(context).is_pending());
            polls.set(polls.get() + 1);
            if polls.get() > 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        assert_eq!(
            *board.console.borrow(),
            format!("ota: no updates: {expect}\n")
        );
        assert!(board.fed.get() > 1, "the watchdog is fed");
    };
    check(
        &|_, handover| handover.clear(),
        "no handover from the bootloader",
    );
    check(
        &|_, handover| handover[30] ^= 1,
        "no handover from the bootloader",
    );
    check(
        &|world, _| provision(world, "https://manager.example/T/controller/v1/d1"),
        "this firmware has no TLS; use an http:// address on loopback",
    );
    check(
        &|world, _| provision(world, "http://192.0.2.1/T/controller/v1/d1"),
        "plain HTTP is refused beyond loopback",
    );
    check(
        &|world, _| provision(world, "ftp://127.0.0.1/"),
        "the manager's address is not usable; provision the device again",
    );
}

/// Counts how often everything else on the executor ran before each flash operation.
struct Watched<'f> {
    flash: &'f mut SimFlash,
    turn: &'f Cell<u64>,
    slots: std::ops::Range<u32>,
    /// Turn of the last operation on a slot: erase, program, or read of a block.
    last: u64,
    operations: u64,
}

impl Watched<'_> {
    fn operation(&mut self, offset: u32) {
        if self.slots.contains(&offset) {
            let turn = self.turn.get();
            assert!(
                turn > self.last,
                "two operations at {offset:#x} in one turn"
            );
            self.last = turn;
            self.operations += 1;
        }
    }
}

impl Flash for Watched<'_> {
    type Error = otaru_sim::Fault;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        // Storage only: a copy reads the execution slot and programs in the same turn.
        if buf.len() >= 512 && offset >= self.slots.start + 24 * 1024 {
            self.operation(offset);
        }
        self.flash.read(offset, buf)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        self.operation(offset);
        self.flash.program(offset, data)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.operation(offset);
        self.flash.erase(offset, len)
    }
}

/// Keeps what the application was told.
struct Watcher(Vec<Progress>);

impl Application for Watcher {
    fn progress(&mut self, progress: Progress) {
        self.0.push(progress);
    }
}

#[test]
fn application_runs_between_any_two_sector_operations_and_verified_blocks() {
    // B26, DESIGN 5 "Agent": copy, download and verification all yield
    let (mut world, _server, _) = setup(Mode::Standby, 15_000);
    let handover = world.boot(ResetCause::PowerOn).unwrap();
    let board = Board::new(handover, vec![0; 4096]);
    let status = Status::new();
    let turn = Cell::new(1);
    let mut flash = Watched {
        turn: &turn,
        slots: world.layout.execution.offset..world.layout.flash_len,
        flash: &mut world.flash,
        last: 0,
        operations: 0,
    };
    let mut app = Watcher(Vec::new());
    let application = poll_fn(|_| {
        turn.set(turn.get() + 1);
        Poll::<ResetReason>::Pending
    });
    let agent = run(&board, &mut flash, &mut app, &status);
    let end = block_on(or(agent, application));
    assert_eq!(end, ResetReason::Install);
    // 18 sectors and 3 blocks copied and read back, 30 sectors and 4 blocks received and read.
    assert!(flash.operations > 50, "{}", flash.operations);
    assert_eq!(status.phase(), UpdatePhase::Installing);
    assert!(status.online());
    assert_eq!(status.version().to_string(), "Factory");
    // C12: progress for the application
    let phases: Vec<UpdatePhase> = app.0.iter().map(|progress| progress.phase).collect();
    for phase in [
        UpdatePhase::BackingUp,
        UpdatePhase::Downloading,
        UpdatePhase::Verifying,
        UpdatePhase::Parked,
        UpdatePhase::Installing,
    ] {
        assert!(phases.contains(&phase), "{phase:?} in {phases:?}");
    }
    let percent: Vec<u8> = app
        .0
        .iter()
        .filter(|progress| progress.phase == UpdatePhase::Downloading)
        .map(|progress| progress.percent)
        .collect();
    assert!(percent.is_sorted() && percent.len() >= 4, "{percent:?}");
}

#[test]
fn agent_needs_little_memory() {
    // STYLE: everything has a limit. On a 64-bit host; pointers halve on a microcontroller.
    let mut world = World::new(Mode::Standby, 5, "http://127.0.0.1:1/T/c/d1");
    let board = Board::new(Vec::new(), Vec::new());
    let status = Status::new();
    let mut app = ();
    let agent = run(&board, &mut world.flash, &mut app, &status);
    let session = size_of::<otaru_runtime_agent::Session>();
    let future = size_of_val(&agent);
    println!("session {session} bytes, whole agent {future} bytes");
    assert!(session <= 5 * 1024, "{session}");
    assert!(future <= 18 * 1024, "{future}");
}

#[test]
fn long_lines_reach_console_and_tail_whole() {
    let board = Board::new(Vec::new(), vec![0; 4096]);
    board.with_retained(&mut |ram| otaru_runtime_agent::tail::begin(ram, [1; 8], 7));
    let long = "ä".repeat(300);
    print_line(&board, format_args!("{long}!"));
    assert_eq!(*board.console.borrow(), format!("{long}!\n"));
    board.with_retained(&mut |ram| otaru_runtime_agent::tail::begin(ram, [2; 8], 0));
    let mut kept = String::new();
    board.with_retained(&mut |ram| {
        otaru_runtime_agent::tail::of_attempt(ram, 7).clone_into(&mut kept);
    });
    assert_eq!(kept, format!("{long}!\n"));
}
