//! What stands where in the flash of a device: areas, images, record. Reads only, so it can be
//! looked at while the device works; what changes meanwhile is seen at the next look.

use crate::image::hex;
pub use otaru_flash::Slot;
use otaru_flash::{Area, AreaName, DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash, Layout};
use otaru_image::{
    BoardIds, Expectation, ImageInfo, Key, Signature, Uuid, Verified, VerifyError, inspect, verify,
};
use otaru_record::{Backup, Image, Journal, Phase, SlotReader, State, key_table};
use std::fmt::Debug;

/// Bytes read at a time while an image is verified.
const BLOCK_LEN: usize = 0x1_0000;

/// The flash of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlashMap {
    /// Name of the board.
    pub board: String,
    /// Size of the flash in bytes.
    pub len: u32,
    /// Geometry and install mode.
    pub layout: Layout,
    /// Everything from offset 0 to the end, in order, gaps included.
    pub areas: Vec<MappedArea>,
    /// What the record says, or why it cannot be read.
    pub record: Result<State, String>,
}

/// A part of the flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedArea {
    /// What it is.
    pub kind: AreaKind,
    /// First byte.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// Bytes in use; the whole length where that is not known.
    pub used: u32,
    /// In a slot, what the record says it is for.
    pub role: Option<Role>,
    /// In a slot, the image that stands there.
    pub image: Option<MappedImage>,
}

/// What a part of the flash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaKind {
    /// In front of all areas: the bootloader's program.
    Bootloader,
    /// An area of the layout.
    Named(AreaName),
    /// Between areas and behind them.
    Unused,
}

impl AreaKind {
    /// The name shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bootloader => "bootloader",
            Self::Named(name) => name.name(),
            Self::Unused => "unused",
        }
    }

    /// The slot it is, if it is one.
    pub const fn slot(self) -> Option<Slot> {
        match self {
            Self::Named(AreaName::Execution) => Some(Slot::Execution),
            Self::Named(AreaName::Storage0) => Some(Slot::Storage0),
            Self::Named(AreaName::Storage1) => Some(Slot::Storage1),
            Self::Named(AreaName::DeviceBlock | AreaName::Identity | AreaName::Record)
            | Self::Bootloader
            | Self::Unused => None,
        }
    }
}

/// What a slot is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The confirmed image runs here.
    Running,
    /// An image on trial runs here.
    Trial,
    /// The bootloader writes here.
    Writing,
    /// A download goes here; `sixteenths` of it are stored.
    Receiving {
        /// 0 to 16.
        sixteenths: u16,
    },
    /// A verified image waits for its install.
    Parked,
    /// A complete copy to which the device can return.
    Backup,
    /// The same, its chunks in the order of the last exchange (`swap`).
    PermutedBackup,
    /// Nothing that counts.
    Free,
}

impl Role {
    /// The word shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Trial => "on trial",
            Self::Writing => "being written",
            Self::Receiving { .. } => "receiving",
            Self::Parked => "parked",
            Self::Backup => "backup",
            Self::PermutedBackup => "backup, exchanged",
            Self::Free => "free",
        }
    }
}

/// An image as its header describes it; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedImage {
    /// Its label or, without one, its version.
    pub version: String,
    /// Length in bytes.
    pub len: u32,
}

/// An image in a slot, with everything that can be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotDetails {
    /// Which slot.
    pub slot: Slot,
    /// Header and TLVs, each with its name.
    pub fields: Vec<(&'static str, String)>,
    /// SHA-256 of the complete file, 64 hex digits, if the image is good.
    pub digest: Option<String>,
    /// Which key of the device's table signed it.
    pub key: Option<usize>,
    /// Why the device would not run it, or why that cannot be told here; `None`: it would.
    pub problem: Option<String>,
}

/// Why a flash cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError<E: Debug> {
    /// The flash does not read.
    #[error("the flash cannot be read: {0:?}")]
    Flash(E),
    /// No device block.
    #[error("{0}")]
    Block(DeviceBlockError),
    /// There is no image to look at.
    #[error("no image stands in {}: {why}", .slot.name())]
    NoImage {
        /// The slot.
        slot: Slot,
        /// What is wrong with what stands there.
        why: String,
    },
}

/// Reads the device block.
fn block_of<F: Flash>(flash: &mut F, at: u32) -> Result<DeviceBlock, MapError<F::Error>> {
    let mut bytes = [0; DEVICE_BLOCK_LEN];
    flash.read(at, &mut bytes).map_err(MapError::Flash)?;
    DeviceBlock::decode(&bytes).map_err(MapError::Block)
}

/// Reads what stands where in the flash whose device block is at `block_at`.
///
/// # Errors
/// [`MapError::Flash`] or [`MapError::Block`]. A lost record or a missing image is part of the map.
pub fn map<F: Flash>(flash: &mut F, block_at: u32) -> Result<FlashMap, MapError<F::Error>> {
    let block = block_of(flash, block_at)?;
    let layout = block.layout;
    let record = Journal::load(flash, &layout)
        .map(|journal| *journal.state())
        .map_err(|error| error.to_string());
    let mut named: Vec<(AreaName, Area)> = AreaName::ALL
        .into_iter()
        .map(|name| (name, *layout.area(name)))
        .filter(|(_, area)| area.len > 0)
        .collect();
    named.sort_by_key(|(_, area)| area.offset);
    let mut areas = Vec::new();
    let mut end = 0;
    for (name, area) in named {
        push_gap(&mut areas, end, area.offset);
        areas.push(mapped(flash, &layout, name, area, record.as_ref().ok()));
        end = area.offset.saturating_add(area.len);
    }
    push_gap(&mut areas, end, layout.flash_len);
    Ok(FlashMap {
        board: block.name().to_owned(),
        len: layout.flash_len,
        layout,
        areas,
        record,
    })
}

fn push_gap(areas: &mut Vec<MappedArea>, from: u32, to: u32) {
    let Some(len) = to.checked_sub(from).filter(|len| *len > 0) else {
        return;
    };
    let kind = if from == 0 {
        AreaKind::Bootloader
    } else {
        AreaKind::Unused
    };
    areas.push(MappedArea {
        kind,
        offset: from,
        len,
        used: if from == 0 { len } else { 0 },
        role: None,
        image: None,
    });
}

fn mapped<F: Flash>(
    flash: &mut F,
    layout: &Layout,
    name: AreaName,
    area: Area,
    state: Option<&State>,
) -> MappedArea {
    let kind = AreaKind::Named(name);
    let Some(slot) = kind.slot() else {
        return MappedArea {
            kind,
            offset: area.offset,
            len: area.len,
            used: area.len,
            role: None,
            image: None,
        };
    };
    let role = state.map_or(Role::Free, |state| role_of(slot, state));
    let recorded = state.and_then(|state| image_in(slot, role, state));
    // Chunks in another order are no image to read.
    let image = match role {
        Role::PermutedBackup | Role::Writing | Role::Receiving { .. } => None,
        Role::Running | Role::Trial | Role::Parked | Role::Backup | Role::Free => {
            let mut reader = SlotReader::new(flash, layout, slot);
            inspect(&mut reader, layout.image_len_max())
                .ok()
                .map(|info| MappedImage {
                    version: version_of(&info),
                    len: info.len,
                })
        }
    };
    let used = match (role, recorded, &image) {
        (Role::Receiving { sixteenths }, Some(other), _) => {
            let stored = u64::from(other.len) * u64::from(sixteenths.min(16)) / 16;
            u32::try_from(stored).unwrap_or(other.len)
        }
        (_, _, Some(image)) => image.len,
        (_, Some(recorded), None) => recorded.len,
        (_, None, None) => 0,
    };
    MappedArea {
        kind,
        offset: area.offset,
        len: area.len,
        used: used.min(area.len),
        role: Some(role),
        image,
    }
}

fn role_of(slot: Slot, state: &State) -> Role {
    if slot == Slot::Execution {
        return match state.phase() {
            Phase::Installing | Phase::Reverting => Role::Writing,
            Phase::Installed | Phase::Trial | Phase::Refused => Role::Trial,
            Phase::Idle | Phase::Receiving | Phase::Parked | Phase::Requested => Role::Running,
        };
    }
    let is_update = state.slot() == Some(slot) && state.other().exists();
    match (state.phase(), state.backup()) {
        (Phase::Receiving, _) if is_update => Role::Receiving {
            sixteenths: state.step(),
        },
        (Phase::Parked | Phase::Requested, _) if is_update => Role::Parked,
        (Phase::Installing | Phase::Reverting, Backup::Permuted) => Role::Writing,
        (_, Backup::Copy(copy)) if copy == slot => Role::Backup,
        (_, Backup::Permuted) => Role::PermutedBackup,
        (Phase::Installing | Phase::Installed | Phase::Trial, _) if is_update => Role::Parked,
        (_, Backup::Copy(_) | Backup::None) => Role::Free,
    }
}

/// The image that a slot holds according to the record.
fn image_in(slot: Slot, role: Role, state: &State) -> Option<Image> {
    let image = match role {
        Role::Running | Role::Trial => state.running(),
        Role::Writing if slot == Slot::Execution => state.other(),
        Role::Receiving { .. } | Role::Parked => state.other(),
        Role::Backup | Role::PermutedBackup | Role::Writing => state.backup_image(),
        Role::Free => return None,
    };
    Some(image).filter(Image::exists)
}

fn version_of(info: &ImageInfo) -> String {
    info.label.as_ref().map_or_else(
        || info.header.version.to_string(),
        |label| label.as_str().to_owned(),
    )
}

/// Looks at the image in a slot, and judges it as the device would: with the device's keys and
/// board, and the counter that its record asks for.
///
/// # Errors
/// [`MapError`].
pub fn details<F: Flash>(
    flash: &mut F,
    block_at: u32,
    slot: Slot,
) -> Result<SlotDetails, MapError<F::Error>> {
    let block = block_of(flash, block_at)?;
    let state = Journal::load(flash, &block.layout)
        .map(|journal| *journal.state())
        .unwrap_or_default();
    let (table, count) = key_table(&block, state.revoked());
    let max = block.layout.image_len_max();
    let mut reader = SlotReader::new(flash, &block.layout, slot);
    let info = inspect(&mut reader, max).map_err(|error| MapError::NoImage {
        slot,
        why: error.to_string(),
    })?;
    let keys: &[Key] = table.get(..count).unwrap_or_default();
    let expect = Expectation {
        keys,
        board: Some(BoardIds {
            vid: Uuid(block.vendor_id),
            cid: Uuid(block.class_id),
        }),
        slot_address: Some(block.execution_address()),
        security_floor: state.floor(),
        ..Expectation::default()
    };
    let mut buf = vec![0; BLOCK_LEN];
    let verdict = verify(&mut reader, max, &expect, &mut buf);
    let good = verdict.as_ref().ok();
    Ok(SlotDetails {
        slot,
        fields: fields_of(&info),
        digest: good.map(|verified: &Verified| hex(&verified.digest())),
        key: good.map(Verified::key_index),
        problem: if info.header.flags.is_encrypted() {
            Some("the image came encrypted, so only the device can check it".to_owned())
        } else {
            verdict
                .as_ref()
                .err()
                .map(|error: &VerifyError<_>| error.to_string())
        },
    })
}

fn fields_of(info: &ImageInfo) -> Vec<(&'static str, String)> {
    let header = &info.header;
    let mut fields = vec![
        ("version", header.version.to_string()),
        ("image", format!("{} bytes", info.len)),
        ("header", format!("{} bytes", header.header_len)),
        ("payload", format!("{} bytes", header.payload_len)),
        ("flags", format!("{:#06x}", header.flags.0)),
    ];
    if let Some(label) = &info.label {
        fields.insert(0, ("label", label.as_str().to_owned()));
    }
    if let Some(address) = info.rom_address() {
        fields.push(("linked for", format!("{address:#010x}")));
    }
    fields.push(("security counter", info.security_counter.to_string()));
    if let Some(vid) = &info.vid() {
        fields.push(("vendor", vid.to_string()));
    }
    if let Some(cid) = &info.cid() {
        fields.push(("class", cid.to_string()));
    }
    for needed in info.dependencies.iter() {
        let text = format!("image {} from {}", needed.image, needed.version);
        fields.push(("depends on", text));
    }
    if info.revoke != 0 {
        fields.push(("revokes keys", format!("{:#06x}", info.revoke)));
    }
    let algorithm = match &info.signature {
        Signature::Ed25519(_) => "Ed25519",
        Signature::P256(_) => "ECDSA P-256",
    };
    fields.push(("image hash", hex(&info.image_hash)));
    fields.push(("key hash", hex(&info.key_hash)));
    fields.push(("signature", algorithm.to_owned()));
    fields
}

#[cfg(test)]
#[path = "flash_map_tests.rs"]
mod tests;
