//! Target `boot`: a whole device with anything in its flash, booted three times.
//!
//! Bytes: options, edits of the device block, what stands in the slots, what the record says, edits
//! of the record, and for each boot why the CPU started and which fault the flash has.
//!
//! What has to hold: the bootloader writes the record, the execution slot and, in mode `swap`, the
//! secondary slot, nothing else, within the flash contract and with a limited number of
//! operations; it starts only what verifies and is the image that the record calls running; the
//! record then says what was handed over; the floor never falls; no image gets more trial starts
//! than it may; and where nothing is to be done, another boot does the same
//! and in the end writes nothing.

use otaru_bootloader::{Boot, Decision, Event, Port, ResetCause, Start, boot};
use otaru_flash::{Area, DEVICE_BLOCK_LEN, DeviceBlock, Key, Layout, Mode, Slot, crc32};
use otaru_image::{BoardIds, Expectation, Uuid, inspect, verify_with};
use otaru_record::{Geometry, Image, Journal, Phase, SlotReader};

use crate::forge::{self, BOARD, MARKED, Marked};
use crate::input::Input;
use crate::layouts;
use crate::ram::{FLASH_LEN, Fault, RamFlash};
use crate::states;

const BOOTS: usize = 3;
/// What the execution slot's address is when the flash is mapped here is what one image is linked
/// for.
const FLASH_ADDRESS: u32 = forge::SLOT_ADDRESS - 0x9000;

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    phases(data);
}

/// Runs the target and says which phases the bootloader went through.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn phases(data: &[u8]) -> Vec<Phase> {
    let mut input = Input::new(data);
    let options = input.u8();
    let template = layouts::choose(options & 3);
    let Some(raw) = device_block(&template, options, &mut input) else {
        return Vec::new();
    };
    let block = DeviceBlock::decode(&raw).ok();
    let layout = block.as_ref().map_or(template, |block| block.layout);
    // A block that promises more flash than there is was made for another board.
    if layout.flash_len > FLASH_LEN {
        return Vec::new();
    }
    let mut flash = RamFlash::new(&layout);
    let place = Area::new(layout.device_block.offset, 512, 1);
    flash.change(&place, |bytes| bytes.copy_from_slice(&raw));
    slots(&mut flash, &layout, &mut input);
    record(&mut flash, &layout, &mut input, options & 4 != 0);
    flash.allow(&writable(&layout));
    let buffer_len = if options & 8 == 0 { 512 } else { 2048 };
    let mut board = Board {
        flash,
        layout,
        buffer: vec![0; buffer_len],
        phases: Vec::new(),
    };
    for _ in 0..BOOTS {
        board.life(block.as_ref(), &mut input);
    }
    board.phases
}

/// A block that is right but for some edits, with a checksum that mostly is right.
fn device_block(
    layout: &Layout,
    options: u8,
    input: &mut Input<'_>,
) -> Option<[u8; DEVICE_BLOCK_LEN]> {
    let keys = forge::keys().map(|key| Key {
        kind: otaru_flash::KeyKind::Ed25519,
        public: key.public,
        development: false,
    });
    let mut block = DeviceBlock::new("fuzz", *layout, &keys).ok()?;
    block.vendor_id = BOARD.vid.0;
    block.class_id = BOARD.cid.0;
    block.flash_address = FLASH_ADDRESS;
    block.watchdog_ms = u32::from(options >> 4);
    let mut raw = block.encode().ok()?;
    input.edit(&mut raw);
    if options & 128 == 0 {
        let (body, crc) = raw.split_at_mut(DEVICE_BLOCK_LEN - 4);
        crc.copy_from_slice(&crc32(body).to_le_bytes());
    }
    Some(raw)
}

/// What the bootloader may write at all.
fn writable(layout: &Layout) -> Vec<Area> {
    let mut areas = vec![layout.record, layout.execution];
    if layout.mode == Mode::Swap {
        areas.push(layout.storage[0]);
    }
    areas
}

/// Puts images, or anything, into the slots.
fn slots(flash: &mut RamFlash, layout: &Layout, input: &mut Input<'_>) {
    for slot in [Slot::Execution, Slot::Storage0, Slot::Storage1] {
        let kind = input.u8();
        let mut content = match kind & 7 {
            0 => continue,
            number @ 1..=3 => MARKED[usize::from(number) - 1].clone(),
            _ => {
                let len = usize::from(input.u8());
                input.bytes(len).to_vec()
            }
        };
        if kind & 8 != 0 {
            input.edit(&mut content);
        }
        if kind & 16 != 0 {
            forge::repair(&mut content);
        }
        let area = image_area(layout, slot);
        content.truncate(area.len as usize);
        flash.change(&area, |bytes| {
            bytes[..content.len()].copy_from_slice(&content);
        });
    }
}

/// Where an image in this slot stands.
fn image_area(layout: &Layout, slot: Slot) -> Area {
    let area = layout.slot(slot);
    let shift = layout.image_offset(slot).min(area.len);
    Area::new(area.offset + shift, area.len - shift, 1)
}

/// The images that the record may speak of: none, what is in the slots, and others.
fn images(flash: &RamFlash, layout: &Layout) -> Vec<Image> {
    let stored = [Slot::Execution, Slot::Storage0, Slot::Storage1].map(|slot| {
        let area = image_area(layout, slot);
        let mut bytes = flash.area(&area);
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        match inspect(&mut bytes, len) {
            Ok(info) => image(&bytes[..info.len as usize]),
            Err(_) => Image::default(),
        }
    });
    let known = MARKED.each_ref().map(|bytes| image(bytes));
    let unknown = Image {
        len: 5000,
        digest: [1; 32],
    };
    let mut images = stored.to_vec();
    images.extend(known);
    images.extend([Image::default(), unknown]);
    images
}

fn image(bytes: &[u8]) -> Image {
    Image {
        len: u32::try_from(bytes.len()).expect("images are short"),
        digest: forge::digest(bytes),
    }
}

/// Writes a record with up to three states, and then changes some of its bytes.
fn record(flash: &mut RamFlash, layout: &Layout, input: &mut Input<'_>, repaired: bool) {
    let images = images(flash, layout);
    flash.allow(&[layout.record]);
    let count = input.u8() % 4;
    if let (Ok(geometry), 1..) = (Geometry::new(layout), count) {
        let first = states::state(input, &images);
        if let Ok(mut journal) = Journal::create(flash, geometry, &first) {
            for _ in 1..count {
                let next = states::state(input, &images);
                let appended = journal.append(flash, &next);
                let marked = journal.mark(flash, u16::from(input.u8()));
                // Both may be refused: a state can name chunks that the record has no room for.
                let _: (bool, bool) = (appended.is_ok(), marked.is_ok());
            }
        }
    }
    for half in layout.record.halves() {
        flash.change(&half, |bytes| {
            input.edit(bytes);
            if repaired {
                states::repair(layout, bytes);
            }
        });
    }
}

/// What the board does for the bootloader.
struct Services {
    phases: Vec<Phase>,
    now_ms: u32,
    fed: u32,
    armed: u32,
}

impl Port for Services {
    type Verifier = Marked;

    fn verifier(&mut self) -> Marked {
        Marked
    }

    fn feed_watchdog(&mut self) {
        self.fed += 1;
    }

    fn arm_watchdog(&mut self, _timeout_ms: u32) {
        self.armed += 1;
    }

    fn now_ms(&mut self) -> u32 {
        self.now_ms = self.now_ms.wrapping_mul(3).wrapping_add(1);
        self.now_ms
    }

    fn report(&mut self, event: Event<'_>) {
        if let Event::Starting { trial, of } = event {
            assert!(trial <= of, "start {trial} of {of}");
        }
        if let Event::Phase(state) = event {
            self.phases.push(state.phase());
        }
    }
}

struct Board {
    flash: RamFlash,
    layout: Layout,
    buffer: Vec<u8>,
    phases: Vec<Phase>,
}

impl Board {
    /// One boot, with a fault of the flash, and what has to hold afterwards.
    fn life(&mut self, block: Option<&DeviceBlock>, input: &mut Input<'_>) {
        let options = input.u8();
        self.flash.plan(Fault {
            after: u32::from(input.u8()),
            count: [0, 0, 1, 3, 4, 9, u32::MAX, u32::MAX][usize::from(options >> 4 & 7)],
            half: options & 128 != 0,
        });
        let before = self.journal();
        let decision = self.boot(options);
        let faultless = !self.flash.has_failed();
        self.flash.plan(Fault::default());
        let after = self.journal();
        if let (Some(before), Some(after)) = (before, after) {
            assert!(
                after.state().floor() >= before.state().floor(),
                "the floor fell"
            );
        }
        assert!(before.is_none() || after.is_some(), "the record was lost");
        if let (Some(before), Some(after), true) = (before, after, faultless) {
            // Decide, append, act: the first entry of a boot is written twice.
            let written = after.sequence().wrapping_sub(before.sequence());
            assert_ne!(written, 1, "decided on the strength of one entry");
        }
        let Decision::Start(start) = decision else {
            return;
        };
        let block = block.expect("nothing starts without a device block");
        self.started(block, &start);
        if start.journal.is_frozen() {
            // It cannot be written, or leads nowhere: the confirmed image runs without it.
            return;
        }
        let after = after.expect("nothing else starts without a record");
        assert_eq!(after.state(), start.journal.state());
        let settled = matches!(
            after.state().phase(),
            Phase::Idle | Phase::Receiving | Phase::Parked
        );
        if settled && faultless {
            // The first of them may still write the newest state a second time.
            self.again(options, &start);
            let writes = self.flash.writes();
            self.again(options, &start);
            assert_eq!(self.flash.writes(), writes, "another boot writes");
        }
    }

    /// Boots once more: the same image is started.
    fn again(&mut self, options: u8, start: &Start) {
        let Decision::Start(again) = self.boot(options) else {
            panic!("what was started once is not started again");
        };
        assert_eq!(again.image, start.image);
        assert_eq!(again.journal.state(), start.journal.state());
    }

    fn boot(&mut self, options: u8) -> Decision {
        let cause = match options & 7 {
            0 => ResetCause::Watchdog,
            1 => ResetCause::Crash,
            2 => ResetCause::Button,
            3 => ResetCause::Software,
            _ => ResetCause::PowerOn,
        };
        let mut port = Services {
            phases: Vec::new(),
            now_ms: u32::from(options),
            fed: 0,
            armed: 0,
        };
        self.flash.limit(limit(&self.layout, self.buffer.len()));
        let device_block_at = self.layout.device_block.offset;
        let boot_with = Boot {
            device_block_at,
            cause,
        };
        let decision = boot(&mut self.flash, &mut port, boot_with, &mut self.buffer);
        self.flash.limit(u64::MAX);
        self.phases.extend(port.phases);
        let starts = matches!(decision, Decision::Start(_));
        assert!(
            port.armed <= u32::from(starts),
            "the watchdog is armed too often"
        );
        decision
    }

    fn journal(&mut self) -> Option<Journal> {
        Journal::load(&mut self.flash, &self.layout).ok()
    }

    /// What is started verifies, and is what the record says.
    fn started(&mut self, block: &DeviceBlock, start: &Start) {
        let state = *start.journal.state();
        // Without a record that can be written, only the confirmed image runs, whatever the phase.
        let image = if start.journal.is_frozen() {
            state.current()
        } else {
            state.running()
        };
        let keys: Vec<otaru_image::Key> = (0..)
            .zip(block.keys())
            .map(|(number, key)| otaru_image::Key {
                kind: otaru_image::KeyKind::Ed25519,
                public: key.public,
                revoked: state.revoked() >> number & 1 != 0,
            })
            .collect();
        let expect = Expectation {
            keys: &keys,
            board: Some(BoardIds {
                vid: Uuid(block.vendor_id),
                cid: Uuid(block.class_id),
            }),
            slot_address: Some(block.execution_address()),
            security_floor: state.floor(),
            digest: Some(image.digest),
            len: Some(image.len),
            ..Expectation::default()
        };
        let len = self.layout.execution.len;
        let mut source = SlotReader::new(&mut self.flash, &self.layout, Slot::Execution);
        let verdict = verify_with(&mut source, len, &expect, &mut [0; 256], Marked);
        match verdict {
            Ok(verified) => assert_eq!(*verified.info(), start.image),
            Err(error) => panic!("what was started does not verify: {error:?}, {state:?}"),
        }
    }
}

/// Flash operations that one boot may cost, far above what any needs: for each of eight phases
/// four images read twice, every chunk copied twice in three tries with its mark, and the record
/// read and changed a few times.
fn limit(layout: &Layout, buffer_len: usize) -> u64 {
    let chunks = u64::from(layout.chunk_count());
    let pieces = u64::from(layout.chunk_len) / (buffer_len as u64 / 2) + 2;
    let unit = u64::from(layout.write_unit.max(8));
    let record = u64::from(layout.record.len) / unit * 3 + 300;
    let blocks = u64::from(layout.execution.len) / buffer_len as u64 + 4;
    let copies = (2 * chunks + 2) * (3 * (3 * pieces + 1) + 10);
    let images = 8 * (blocks + chunks + 4);
    8 * (images + copies + 3 * record)
}
