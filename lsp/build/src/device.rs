//! Writes a device by cable: what `flash` and `provision` put into its flash.
//!
//! Everything here works on an [`otaru_flash::Flash`], which a debug probe is; which probe, and
//! whether there is a question first, is the caller's business.

use crate::event::{Job, Phase};
use crate::explain::Explain;
use otaru_flash::{
    AccessError, Area, DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash, IDENTITY_LEN_MAX,
    Identity, IdentityError, IdentityStore, Key, Layout, LayoutError, Slot,
};
use otaru_image::{DecryptionKey, board_uuids, inspect, installed_form};
use otaru_lsp_project::{Board, Mode};
use otaru_record::{AppendError, Geometry, Image, Journal, State};
use sha2::{Digest as _, Sha256};
use std::fmt::Debug;

/// What a device gets by cable.
#[derive(Debug, Clone)]
pub struct FlashRequest<'r> {
    /// The kind of device.
    pub board: &'r Board,
    /// How it will install updates.
    pub mode: Mode,
    /// The keys that it will trust.
    pub keys: Vec<Key>,
    /// The complete image file.
    pub image: &'r [u8],
    /// The image's security counter.
    pub security_counter: u32,
    /// Keys that are revoked from the beginning, bit = position in `keys`.
    pub revoked: u16,
    /// What it will decrypt encrypted images with, if anything.
    pub decryption_key: Option<&'r DecryptionKey>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flashed {
    /// Sectors of image areas that had to be written.
    pub written: u32,
    /// Sectors that held the right bytes already.
    pub skipped: u32,
}

/// Why a device could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError<E: Debug> {
    /// The board's layout cannot work.
    #[error("the layout of the board cannot work: {0}")]
    Layout(LayoutError),
    /// The board does not have the mode.
    #[error("the board cannot install in mode `{0}`")]
    Mode(&'static str),
    /// The device block cannot be written or read.
    #[error("{0}")]
    Block(DeviceBlockError),
    /// The image does not fit.
    #[error("the image has {len} bytes, the slot holds {max}")]
    TooLarge {
        /// Length of the image.
        len: usize,
        /// Length of the slot.
        max: u32,
    },
    /// The image is encrypted, and the device would have no key for it.
    #[error("the image is encrypted for another key than the one that the device gets")]
    NotDecryptable,
    /// The image is encrypted, and there is no key for the device.
    #[error("the image is encrypted, and there is no key that the device could get")]
    NoDecryptionKey,
    /// The flash failed.
    #[error("{what} cannot be written: {cause:?}")]
    Flash {
        /// The area.
        what: &'static str,
        /// What the driver said.
        cause: AccessError<E>,
    },
    /// What was written reads back differently.
    #[error("{0} reads back differently from what was written")]
    ReadBack(&'static str),
    /// The record cannot be made.
    #[error("the FOTA record cannot be made: {0:?}")]
    Record(AppendError<E>),
    /// The identity cannot be stored.
    #[error("the identity cannot be stored: {0:?}")]
    Identity(IdentityError<E>),
    /// The work was cancelled.
    #[error("stopped")]
    Cancelled,
}

impl<E: Debug> Explain for DeviceError<E> {
    fn code(&self) -> &'static str {
        match self {
            Self::Layout(_) | Self::Mode(_) => "layout-unusable",
            Self::Block(_) => "device-block",
            Self::TooLarge { .. } => "image-too-large",
            Self::NotDecryptable | Self::NoDecryptionKey => "not-decryptable",
            Self::Flash { .. } | Self::Record(_) => "flash-failed",
            Self::ReadBack(_) => "flash-read-back",
            Self::Identity(_) => "identity-failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Layout(_) | Self::Mode(_) => Some("correct the board's board.toml".to_owned()),
            Self::Block(_) => Some("flash the device first: `otaru flash`".to_owned()),
            Self::Flash { .. } | Self::ReadBack(_) | Self::Record(_) => Some(
                "the device does not start now; flash it again, or replace its flash".to_owned(),
            ),
            Self::Cancelled => Some("the device does not start until it is flashed".to_owned()),
            Self::NotDecryptable | Self::NoDecryptionKey => Some(
                "name the private half in `[encryption] key`, or give it: `otaru flash \
                 --decryption-key FILE`"
                    .to_owned(),
            ),
            Self::TooLarge { .. } | Self::Identity(_) => None,
        }
    }
}

/// The geometry of a board in an install mode.
///
/// # Errors
/// [`DeviceError::Mode`] or [`DeviceError::Layout`].
pub fn layout_of<E: Debug>(board: &Board, mode: Mode) -> Result<Layout, DeviceError<E>> {
    let area = |area: &otaru_lsp_project::Area| Area::new(area.offset, area.len, area.sector);
    let unsupported = || DeviceError::Mode(mode.as_str());
    let (flash_mode, storage) = match mode {
        Mode::Standby => {
            let [first, second] = board.standby.as_ref().ok_or_else(unsupported)?;
            (otaru_flash::Mode::Standby, [area(first), area(second)])
        }
        Mode::Swap => {
            let secondary = board.swap.as_ref().ok_or_else(unsupported)?;
            (otaru_flash::Mode::Swap, [area(secondary), Area::default()])
        }
    };
    let [device_block, identity, record, execution] = &board.areas;
    let layout = Layout {
        flash_len: board.flash.len,
        write_unit: u16::try_from(board.flash.write_unit).unwrap_or(u16::MAX),
        erased: board.flash.erased,
        overwrite: board.flash.overwrite,
        mode: flash_mode,
        chunk_len: board.flash.chunk_len,
        device_block: area(device_block),
        identity: area(identity),
        record: area(record),
        execution: area(execution),
        storage,
    };
    layout.check().map_err(DeviceError::Layout)?;
    Ok(layout)
}

/// Writes image, record and device block. The identity area is left as it is.
///
/// The device block goes last: until then the device has none and does not start, so that it
/// never runs a part of an image.
///
/// # Errors
/// [`DeviceError`]; the device does not start then.
pub fn flash<F: Flash>(
    flash: &mut F,
    request: &FlashRequest<'_>,
    job: &Job,
) -> Result<Flashed, DeviceError<F::Error>> {
    let layout = layout_of(request.board, request.mode)?;
    let max = request.board.image_len_max(request.mode);
    let len = u32::try_from(request.image.len())
        .ok()
        .filter(|len| *len <= max);
    let Some(len) = len else {
        return Err(DeviceError::TooLarge {
            len: request.image.len(),
            max,
        });
    };
    let block = device_block(request, layout)?;
    let installed = installed(request)?;
    job.begin(Phase::Flash);
    let area = layout.device_block;
    area.erase(flash, 0, area.len)
        .map_err(failed("the device block"))?;

    let execution = (layout.execution, "the execution slot");
    let mut slots = vec![(execution, installed.as_slice())];
    if request.mode == Mode::Standby {
        // The backup stands there from the beginning, so that the first update needs no copy. In
        // storage images stand as they were sent.
        let storage = (*layout.slot(Slot::Storage0), "storage slot 0");
        slots.push((storage, request.image));
    }
    let total = u64::from(len) * u64::try_from(slots.len()).unwrap_or(1);
    let mut progress = Progress {
        job,
        total,
        done: 0,
        flashed: Flashed::default(),
    };
    for (slot, image) in slots {
        write_image(flash, &layout, slot, image, &mut progress)?;
    }
    let mut state = State::factory(
        Image {
            len,
            digest: Sha256::digest(request.image).into(),
        },
        request.security_counter,
    );
    state.set_revoked(request.revoked);
    let geometry = Geometry::new(&layout).map_err(DeviceError::Layout)?;
    let state = match request.mode {
        // In `idle` there is nothing that could refuse this.
        Mode::Standby => state.backed_up(Slot::Storage0).unwrap_or(state),
        Mode::Swap => state,
    };
    Journal::create(flash, geometry, &state).map_err(DeviceError::Record)?;
    write_block(flash, &layout, &block)?;
    let Flashed { written, skipped } = progress.flashed;
    job.finish(
        Phase::Flash,
        format!("{written} sectors written, {skipped} were right already"),
    );
    Ok(progress.flashed)
}

/// Stores who the device is. It must have been flashed before.
///
/// # Errors
/// [`DeviceError`]; the former identity stays in force.
pub fn provision<F: Flash>(
    flash: &mut F,
    board: &Board,
    identity: &Identity<'_>,
) -> Result<(), DeviceError<F::Error>> {
    let block = read_block(flash, board)?;
    let mut scratch = vec![0; IDENTITY_LEN_MAX];
    IdentityStore::new(&block.layout)
        .store(flash, identity, &mut scratch)
        .map_err(DeviceError::Identity)
}

/// Erases every area: image, FOTA record, identity. The device block goes first, so that the device
/// does not start whatever happens afterwards.
///
/// # Errors
/// [`DeviceError`]; the device does not start then either.
pub fn erase<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    job: &Job,
) -> Result<(), DeviceError<F::Error>> {
    job.begin(Phase::Erase);
    let mut areas: Vec<(&'static str, Area)> = vec![
        ("the device block", layout.device_block),
        ("the identity", layout.identity),
        ("the FOTA record", layout.record),
        ("the execution slot", layout.execution),
        ("the first storage slot", layout.storage[0]),
        ("the second storage slot", layout.storage[1]),
    ];
    areas.retain(|(_, area)| area.len > 0);
    let total: u64 = areas.iter().map(|(_, area)| u64::from(area.len)).sum();
    let mut done = 0;
    for (name, area) in areas {
        if job.is_cancelled() {
            return Err(DeviceError::Cancelled);
        }
        area.erase(flash, 0, area.len).map_err(failed(name))?;
        done += u64::from(area.len);
        job.progress(Phase::Erase, done, Some(total));
    }
    job.finish(Phase::Erase, format!("{done} bytes erased"));
    Ok(())
}

/// Takes the identity away. The rest of the device stays; its agent waits to be provisioned.
///
/// # Errors
/// [`DeviceError`]; an identity may still be in force.
pub fn forget_identity<F: Flash>(
    flash: &mut F,
    layout: &Layout,
) -> Result<(), DeviceError<F::Error>> {
    let area = layout.identity;
    area.erase(flash, 0, area.len)
        .map_err(failed("the identity"))
}

/// The id that a device has, if it was provisioned.
pub fn identity_of<F: Flash>(flash: &mut F, layout: &Layout) -> Option<String> {
    let mut scratch = vec![0; IDENTITY_LEN_MAX];
    IdentityStore::new(layout)
        .load(flash, &mut scratch)
        .map(|identity| identity.device_id.to_owned())
}

/// The device block of a device.
///
/// # Errors
/// [`DeviceError::Block`] if it was never flashed, [`DeviceError::Flash`] if it does not read.
pub fn read_block<F: Flash>(
    flash: &mut F,
    board: &Board,
) -> Result<DeviceBlock, DeviceError<F::Error>> {
    let mut bytes = [0; DEVICE_BLOCK_LEN];
    flash
        .read(board.areas[0].offset, &mut bytes)
        .map_err(|cause| DeviceError::Flash {
            what: "the device block",
            cause: AccessError::Flash(cause),
        })?;
    DeviceBlock::decode(&bytes).map_err(DeviceError::Block)
}

fn failed<E: Debug>(what: &'static str) -> impl FnOnce(AccessError<E>) -> DeviceError<E> {
    move |cause| DeviceError::Flash { what, cause }
}

/// What the execution slot holds: the image with its payload in plain text.
fn installed<E: Debug>(request: &FlashRequest<'_>) -> Result<Vec<u8>, DeviceError<E>> {
    let len = u32::try_from(request.image.len()).unwrap_or(u32::MAX);
    // A file that is no image is written as it is: the bootloader says what is wrong with it.
    let encrypted =
        inspect(&mut &*request.image, len).is_ok_and(|info| info.header.flags.is_encrypted());
    match request.decryption_key {
        _ if !encrypted => Ok(request.image.to_vec()),
        Some(key) => {
            installed_form(request.image, key).map_err(|_foreign| DeviceError::NotDecryptable)
        }
        None => Err(DeviceError::NoDecryptionKey),
    }
}

fn device_block<E: Debug>(
    request: &FlashRequest<'_>,
    layout: Layout,
) -> Result<[u8; DEVICE_BLOCK_LEN], DeviceError<E>> {
    let board = request.board;
    let ids = board_uuids(&board.vid, &board.cid);
    let mut block =
        DeviceBlock::new(&board.name, layout, &request.keys).map_err(DeviceError::Block)?;
    block.trials = u8::try_from(board.defaults.trials).unwrap_or(1);
    block.watchdog_ms = board.defaults.watchdog_ms;
    block.flash_address = board.flash.address;
    block.vendor_id = ids.vid.0;
    block.class_id = ids.cid.0;
    let key = request.decryption_key.map(DecryptionKey::secret);
    block.encode_with(key).map_err(DeviceError::Block)
}

struct Progress<'j> {
    job: &'j Job,
    total: u64,
    done: u64,
    flashed: Flashed,
}

/// Writes an image into a slot, sector by sector; sectors that are right already are left alone.
fn write_image<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    (slot, name): (Area, &'static str),
    image: &[u8],
    progress: &mut Progress<'_>,
) -> Result<(), DeviceError<F::Error>> {
    let sector = usize::try_from(slot.erase_len).unwrap_or(usize::MAX);
    let mut stored = vec![0; sector];
    let mut at = 0;
    for part in image.chunks(sector) {
        if progress.job.is_cancelled() {
            return Err(DeviceError::Cancelled);
        }
        let mut wanted = part.to_vec();
        wanted.resize(sector, layout.erased);
        slot.read(flash, at, &mut stored).map_err(failed(name))?;
        if stored == wanted {
            progress.flashed.skipped += 1;
        } else {
            let unit = usize::from(layout.write_unit);
            let data = &wanted[..part.len().next_multiple_of(unit).min(sector)];
            slot.erase(flash, at, slot.erase_len)
                .map_err(failed(name))?;
            slot.program(flash, at, data).map_err(failed(name))?;
            slot.read(flash, at, &mut stored).map_err(failed(name))?;
            if stored != wanted {
                return Err(DeviceError::ReadBack(name));
            }
            progress.flashed.written += 1;
        }
        at += slot.erase_len;
        progress.done += u64::try_from(part.len()).unwrap_or(0);
        progress
            .job
            .progress(Phase::Flash, progress.done, Some(progress.total));
    }
    Ok(())
}

fn write_block<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    block: &[u8; DEVICE_BLOCK_LEN],
) -> Result<(), DeviceError<F::Error>> {
    const NAME: &str = "the device block";
    let area = layout.device_block;
    area.program(flash, 0, block).map_err(failed(NAME))?;
    let mut stored = [0; DEVICE_BLOCK_LEN];
    area.read(flash, 0, &mut stored).map_err(failed(NAME))?;
    if stored == *block {
        Ok(())
    } else {
        Err(DeviceError::ReadBack(NAME))
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
pub(crate) mod tests;
