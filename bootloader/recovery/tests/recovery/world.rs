//! A device with a console in the simulator, and a client at the other end of it.

use base64ct::{Base64, Encoding};
use crc::{CRC_16_XMODEM, Crc};
use minicbor::{Decoder, Encoder};
use otaru_bootloader::{Boot, Event, Port, ResetCause, Started, Stopped, start};
use otaru_bootloader_recovery::{Console, Device, Next, Note, Session};
use otaru_flash::{DeviceBlock, Flash, Key, Layout, Mode, Slot};
use otaru_image::{BoardIds, Ed25519Dalek, ImageBuilder, SigningKey, Uuid, Version};
use otaru_record::{Geometry, Image, Journal, State};
use otaru_sim::{Part, Rng, Shape, SimFlash};
use sha2::{Digest, Sha256};

pub(crate) const VENDOR: [u8; 16] = [0x11; 16];
pub(crate) const CLASS: [u8; 16] = [0x22; 16];
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

pub(crate) fn layout(mode: Mode) -> Layout {
    Shape::plain(mode, 9).layout()
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

/// An image of `len` bytes of payload whose content follows from its security counter.
pub(crate) fn image_with(counter: u32, len: u32, class: [u8; 16], key: &SigningKey) -> Vec<u8> {
    let built = builder(counter, len, class).sign(key);
    built.expect("the image can be built")
}

/// An image that revokes these keys of the table; [`key`] is the first.
pub(crate) fn image_revoking(counter: u32, revoke: u16) -> Vec<u8> {
    let built = builder(counter, 3000, CLASS).revoke(revoke).sign(&key());
    built.expect("the image can be built")
}

pub(crate) fn builder(counter: u32, len: u32, class: [u8; 16]) -> ImageBuilder {
    let mut rng = Rng::new(u64::from(counter));
    let payload: Vec<u8> = (0..len).map(|_| rng.byte()).collect();
    let version = Version {
        major: 1,
        build: counter,
        ..Version::default()
    };
    ImageBuilder::new(payload, version)
        .header_len(32)
        .security_counter(counter)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(class),
        })
}

pub(crate) fn image(counter: u32) -> Vec<u8> {
    image_with(counter, 3000 + counter * 100, CLASS, &key())
}

pub(crate) fn described(bytes: &[u8]) -> Image {
    Image {
        len: u32::try_from(bytes.len()).expect("small"),
        digest: Sha256::digest(bytes).into(),
    }
}

#[derive(Default)]
pub(crate) struct Board {
    pub(crate) button: bool,
    pub(crate) sent: Vec<u8>,
    pub(crate) notes: Vec<String>,
}

impl Port for Board {
    type Verifier = Ed25519Dalek;

    fn verifier(&mut self) -> Ed25519Dalek {
        Ed25519Dalek
    }

    fn feed_watchdog(&mut self) {}
    fn arm_watchdog(&mut self, _timeout_ms: u32) {}
    fn now_ms(&mut self) -> u32 {
        0
    }
    fn recovery_requested(&mut self) -> bool {
        self.button
    }
    fn report(&mut self, _event: Event<'_>) {}
}

impl Console for Board {
    fn send(&mut self, line: &[u8]) {
        self.sent.extend_from_slice(line);
    }

    fn tell(&mut self, note: Note<'_>) {
        let text = if let Note::Refused(refusal) = note {
            refusal.to_string()
        } else {
            format!("{note:?}")
        };
        self.notes.push(text);
    }
}

/// The device between two resets.
pub(crate) struct World {
    pub(crate) flash: SimFlash,
    pub(crate) layout: Layout,
    pub(crate) board: Board,
}

impl World {
    /// A device that was flashed by cable with image 1.
    pub(crate) fn new(mode: Mode, seed: u64) -> Self {
        Self::with_layout(layout(mode), seed)
    }

    pub(crate) fn with_layout(layout: Layout, seed: u64) -> Self {
        let flash = SimFlash::new(Part::of(&layout), seed);
        let mut world = Self {
            flash,
            layout,
            board: Board::default(),
        };
        let key = Key {
            public: key().public().to_bytes(),
            kind: otaru_flash::KeyKind::Ed25519,
            development: true,
        };
        let mut block = DeviceBlock::new("sim", layout, &[key]).expect("the layout is good");
        block.vendor_id = VENDOR;
        block.class_id = CLASS;
        let block = block.encode().expect("encodes");
        world.flash.program(0, &block).expect("power is on");
        world.write(Slot::Execution, 0, &image(1));
        world.record(&State::factory(described(&image(1)), 1));
        world
    }

    pub(crate) fn write(&mut self, slot: Slot, at: u32, bytes: &[u8]) {
        let mut padded = bytes.to_vec();
        let unit = usize::from(self.layout.write_unit);
        padded.resize(padded.len().next_multiple_of(unit), self.layout.erased);
        let area = *self.layout.slot(slot);
        area.program(&mut self.flash, at, &padded)
            .expect("power is on");
    }

    pub(crate) fn record(&mut self, state: &State) {
        let geometry = Geometry::new(&self.layout).expect("the record fits");
        Journal::create(&mut self.flash, geometry, state).expect("power is on");
    }

    pub(crate) fn state(&mut self) -> State {
        *Journal::load(&mut self.flash, &self.layout)
            .expect("a record")
            .state()
    }

    pub(crate) fn corrupt(&mut self, slot: Slot, at: u32) {
        let offset = self.layout.slot(slot).offset + self.layout.image_offset(slot) + at;
        self.flash.corrupt(offset, 0x10);
    }

    pub(crate) fn lose_record(&mut self) {
        let area = self.layout.record;
        for at in (0..area.len).step_by(8) {
            self.flash.corrupt(area.offset + at, 0x10);
        }
    }

    pub(crate) fn holds(&self, slot: Slot, image: &[u8]) -> bool {
        let area = self.layout.slot(slot);
        let at = area.offset + self.layout.image_offset(slot);
        self.flash.holds(at, image)
    }

    /// Sectors of execution slot and storage that were erased so far.
    pub(crate) fn image_erases(&self) -> u32 {
        [Slot::Execution, Slot::Storage0, Slot::Storage1]
            .map(|slot| self.layout.slot(slot))
            .iter()
            .map(|area| self.flash.erases_in(area.offset, area.len))
            .sum()
    }

    pub(crate) fn boot(&mut self) -> Started {
        let boot = Boot {
            device_block_at: 0,
            cause: ResetCause::PowerOn,
        };
        start(&mut self.flash, &mut self.board, boot, &mut [0; 1024])
    }

    /// Boots and expects that nothing starts.
    pub(crate) fn stopped(&mut self) -> Stopped {
        match self.boot() {
            Started::Stopped(stopped) => stopped,
            Started::Image(start) => panic!("started {:?}", start.image),
        }
    }

    /// Boots and expects this image.
    pub(crate) fn starts(&mut self, image: &[u8]) {
        match self.boot() {
            Started::Image(start) => assert_eq!(start.image.len as usize, image.len()),
            Started::Stopped(stopped) => panic!("{}", stopped.reason),
        }
        assert!(self.holds(Slot::Execution, image), "another image runs");
    }
}

/// A reply: an offset and whether it is complete, nothing, or a refusal's number and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    Offset(usize, bool),
    /// A number of SMP and a text.
    Refused(u32, String),
    /// A number of a group.
    Group(u32, u32),
    Other(Vec<u8>),
}

/// The client, and the session it talks to.
pub(crate) struct Link<'b> {
    pub(crate) session: Session<'b>,
    sequence: u8,
    pub(crate) version: u8,
}

impl<'b> Link<'b> {
    pub(crate) fn new(stopped: Stopped, frame: &'b mut [u8]) -> Self {
        Self {
            session: Session::new(stopped, frame),
            sequence: 0,
            version: 1,
        }
    }

    /// Sends a request; the body of its reply.
    pub(crate) fn raw(
        &mut self,
        world: &mut World,
        [operation, group, command]: [u8; 3],
        body: &[u8],
    ) -> (Vec<u8>, Next) {
        self.sequence = self.sequence.wrapping_add(1);
        let [l0, l1] = u16::try_from(body.len()).expect("short").to_be_bytes();
        let first = operation | (self.version << 3);
        let header = [first, 0, l0, l1, 0, group, self.sequence, command];
        let message = [header.as_slice(), body].concat();
        world.board.sent.clear();
        let next = self.session.feed(
            &framed(&message),
            &mut Device {
                flash: &mut world.flash,
                board: &mut world.board,
                buf: &mut [0; 256],
            },
        );
        let reply = unframed(&world.board.sent);
        let expected = [operation + 1 + (self.version << 3), 0];
        assert_eq!(reply[..2], expected);
        assert_eq!(reply[4..8], [0, group, self.sequence, command]);
        assert_eq!(
            usize::from(u16::from_be_bytes([reply[2], reply[3]])),
            reply.len() - 8
        );
        (reply[8..].to_vec(), next)
    }

    pub(crate) fn ask(&mut self, world: &mut World, what: [u8; 3], body: &[u8]) -> Reply {
        parse(&self.raw(world, what, body).0)
    }

    /// Sends a part of an image.
    pub(crate) fn part(
        &mut self,
        world: &mut World,
        image: &[u8],
        off: usize,
        len: usize,
    ) -> Reply {
        let end = (off + len).min(image.len());
        let mut body = Vec::new();
        let mut wire = Encoder::new(&mut body);
        let first = off == 0;
        wire.map(if first { 4 } else { 2 }).expect("memory");
        wire.str("off")
            .expect("memory")
            .u32(u32::try_from(off).expect("small"))
            .expect("memory");
        wire.str("data")
            .expect("memory")
            .bytes(&image[off..end])
            .expect("memory");
        if first {
            let described = described(image);
            wire.str("len")
                .expect("memory")
                .u32(described.len)
                .expect("memory");
            wire.str("sha")
                .expect("memory")
                .bytes(&described.digest)
                .expect("memory");
        }
        self.ask(world, [2, 1, 1], &body)
    }

    /// Uploads as clients do: where the device says. `Err` is the refusal.
    pub(crate) fn upload(&mut self, world: &mut World, image: &[u8]) -> Result<usize, Reply> {
        let mut off = 0;
        for parts in 1..image.len() / 50 {
            let reply = self.part(world, image, off, 177);
            let Reply::Offset(next, complete) = reply else {
                return Err(reply);
            };
            off = next;
            if complete {
                assert_eq!(off, image.len());
                return Ok(parts);
            }
        }
        panic!("the upload does not end");
    }

    pub(crate) fn reset(&mut self, world: &mut World) {
        let (body, next) = self.raw(world, [2, 0, 5], b"\xA0");
        assert_eq!((parse(&body), next), (Reply::Done, Next::Reset));
    }
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len() + 2).expect("short");
    let crc = CRC.checksum(message).to_be_bytes();
    let frame = [&len.to_be_bytes(), message, &crc].concat();
    let text = Base64::encode_string(&frame);
    let mut lines = Vec::new();
    for (index, piece) in text.as_bytes().chunks(124).enumerate() {
        lines.extend(if index == 0 { b"\x06\x09" } else { b"\x04\x14" });
        lines.extend(piece);
        lines.push(b'\n');
    }
    lines
}

/// The one message in these bytes.
fn unframed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.len() <= 127 && line.ends_with(b"\n"));
        let start: &[u8] = if frame.is_empty() {
            b"\x06\x09"
        } else {
            b"\x04\x14"
        };
        let text = line[..line.len() - 1]
            .strip_prefix(start)
            .expect("a line of a frame");
        let text = std::str::from_utf8(text).expect("base64");
        frame.extend(Base64::decode_vec(text).expect("base64"));
    }
    let end = frame.len() - 2;
    assert_eq!(usize::from(u16::from_be_bytes([frame[0], frame[1]])), end);
    assert_eq!(CRC.checksum(&frame[2..end]).to_be_bytes(), frame[end..]);
    frame[2..end].to_vec()
}

fn parse(body: &[u8]) -> Reply {
    read(body).unwrap_or_else(|_other| Reply::Other(body.to_vec()))
}

fn read(body: &[u8]) -> Result<Reply, minicbor::decode::Error> {
    let mut wire = Decoder::new(body);
    let count = wire.map()?;
    if count == Some(0) {
        return Ok(Reply::Done);
    }
    match wire.str()? {
        "off" => {
            let off = wire.u32()? as usize;
            let complete = count == Some(2) && wire.str()? == "match" && wire.bool()?;
            Ok(Reply::Offset(off, complete))
        }
        "rc" => {
            let code = wire.u32()?;
            assert_eq!(wire.str()?, "rsn");
            Ok(Reply::Refused(code, wire.str()?.to_owned()))
        }
        "err" => {
            wire.map()?;
            assert_eq!(wire.str()?, "group");
            let group = wire.u32()?;
            assert_eq!(wire.str()?, "rc");
            Ok(Reply::Group(group, wire.u32()?))
        }
        _ => Err(minicbor::decode::Error::message("another reply")),
    }
}
