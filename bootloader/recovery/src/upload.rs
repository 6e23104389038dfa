//! An upload: into a storage slot, with marks, read back, verified, and made the current image.

use crate::message::Fields;
use crate::refusal::Refusal;
use crate::reply::Answer;
use crate::session::{Console, Device, Note};
use otaru_bootloader::{Acceptance, Source, Unreadable, backup_verifies};
use otaru_flash::{DeviceBlock, Flash, Layout, Mode, Slot, WRITE_UNIT_MAX};
use otaru_image::{HEADER_LEN, MAGIC, VerifyError};
use otaru_record::{Backup, Geometry, Image, Journal, State};

/// Bytes that are programmed at a time: a multiple of every write unit.
const STAGE_LEN: usize = WRITE_UNIT_MAX as usize;
/// Marks of an upload.
const PIECES: u32 = 16;

/// What recovery has to do with storage.
#[derive(Debug)]
pub(crate) struct Storage {
    /// The record; `None` while it is lost.
    pub(crate) journal: Option<Journal>,
    /// Whether the execution slot held the current image when this boot ended.
    pub(crate) execution_verifies: bool,
    /// The upload under way.
    pub(crate) upload: Option<Upload>,
    /// The image that this session has made the current one.
    pub(crate) recovered: Option<Recovered>,
}

/// An image that has become the current one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovered {
    /// As it was announced.
    pub(crate) image: Image,
    /// Its image hash, by which clients name it.
    pub(crate) hash: [u8; 32],
}

/// An upload under way.
#[derive(Debug)]
pub(crate) struct Upload {
    slot: Slot,
    image: Image,
    /// Bytes taken; the last `staged` of them are in `stage`.
    at: u32,
    stage: [u8; STAGE_LEN],
    staged: usize,
    /// Sectors before this offset were erased by this boot, from where the upload began.
    erased_to: u32,
    /// Bytes between two marks: a multiple of the sectors.
    piece: u32,
}

impl Storage {
    /// Takes a part of an image.
    pub(crate) fn take<'m, F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        fields: &Fields<'_>,
        device: &mut Device<'_, F, B>,
    ) -> Result<Answer<'m>, Refusal> {
        let off = fields.off.ok_or(Refusal::OffsetMissing)?;
        let data = fields.data.ok_or(Refusal::Malformed)?;
        if fields.image.is_some_and(|number| number != 0) {
            return Err(Refusal::ImageNumber);
        }
        if off == 0 {
            let image = announced(block, fields)?;
            let known = image.digest != [0; 32];
            if self.recovered.is_some_and(|done| done.image == image) && known {
                return Ok(complete(image.len));
            }
            let same = |upload: &Upload| known && upload.image == image;
            if !self.upload.as_ref().is_some_and(same) {
                self.upload = None;
                self.upload = Some(self.begin(block, image, data, device)?);
            }
        }
        let Some(upload) = &mut self.upload else {
            return match self.recovered {
                // The reply to the last part was lost on its way.
                Some(done) if off <= done.image.len => Ok(complete(done.image.len)),
                Some(_) | None => Err(Refusal::NoUpload),
            };
        };
        if off != upload.at {
            return Ok(Answer::Offset {
                off: upload.at,
                complete: false,
            });
        }
        let journal = self.journal.as_mut().ok_or(Refusal::Record)?;
        match upload.store(data, journal, &block.layout, device) {
            Ok(()) if upload.at < upload.image.len => Ok(Answer::Offset {
                off: upload.at,
                complete: false,
            }),
            Ok(()) => {
                let image = upload.image;
                self.upload = None;
                self.conclude(block, image, device)
            }
            Err(refusal) => {
                self.upload = None;
                Err(refusal)
            }
        }
    }

    /// Decides to receive, and only then lets storage be written.
    fn begin<F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        image: Image,
        data: &[u8],
        device: &mut Device<'_, F, B>,
    ) -> Result<Upload, Refusal> {
        let magic = MAGIC.to_le_bytes();
        if data.len() >= magic.len() && !data.starts_with(&magic) {
            return Err(Refusal::NotAnImage);
        }
        let state = self.receive(block, image, device)?;
        let slot = state.slot().ok_or(Refusal::Phase)?;
        let upload = Upload::new(&block.layout, slot, image, state.step());
        device.board.tell(Note::Upload {
            from: upload.at,
            len: image.len,
        });
        Ok(upload)
    }

    /// Brings the record to `receiving` without an attempt.
    fn receive<F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        image: Image,
        device: &mut Device<'_, F, B>,
    ) -> Result<State, Refusal> {
        let mode = block.layout.mode;
        let former = match &self.journal {
            Some(journal) => *journal.state(),
            None => salvaged(block, device),
        };
        let needed = former.backup() == Backup::Permuted && !self.current_stands();
        if needed && backup_verifies(&mut device.context(block), &former) {
            self.keep(block, &former, device)?;
            return Err(Refusal::OnlyBackup);
        }
        let next = former
            .recovering(mode, image)
            .map_err(|_wrong| Refusal::Phase)?;
        match &mut self.journal {
            Some(journal) if next == former => journal.claim(device.flash),
            Some(journal) => journal.append(device.flash, &next),
            None => return self.keep(block, &next, device).map(|()| next),
        }
        .map_err(|_failed| Refusal::Record)?;
        Ok(next)
    }

    /// Makes a record with this state if there is none.
    fn keep<F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        state: &State,
        device: &mut Device<'_, F, B>,
    ) -> Result<(), Refusal> {
        if self.journal.is_none() {
            let geometry = Geometry::new(&block.layout).map_err(|_short| Refusal::Record)?;
            let journal = Journal::create(device.flash, geometry, state);
            self.journal = Some(journal.map_err(|_failed| Refusal::Record)?);
        }
        Ok(())
    }

    /// Whether the execution slot holds the image that the record calls current.
    fn current_stands(&self) -> bool {
        self.execution_verifies && self.recovered.is_none()
    }

    /// All is stored: reads it back, verifies it, and makes it the current image.
    fn conclude<'m, F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        image: Image,
        device: &mut Device<'_, F, B>,
    ) -> Result<Answer<'m>, Refusal> {
        device.board.tell(Note::Verifying);
        let journal = self.journal.as_mut().ok_or(Refusal::Record)?;
        let state = *journal.state();
        let slot = state.slot().ok_or(Refusal::Phase)?;
        let accept = Acceptance {
            image: (image.digest != [0; 32]).then_some(&image),
            ..Acceptance::of(&state, &image)
        };
        let mut ctx = device.context(block);
        let verdict = accept
            .judge(&mut ctx, Source::Slot(slot))
            .and_then(|_flags| {
                let (info, digest) = ctx.found().ok_or(VerifyError::Read(Unreadable))?;
                // Without a digest nothing else says that the image is as long as announced.
                match info.len {
                    len if len == image.len => Ok((*info, digest)),
                    len => Err(VerifyError::LengthMismatch {
                        image: len,
                        announced: image.len,
                    }),
                }
            });
        let (info, digest) = match verdict {
            Ok(found) => found,
            Err(error) => {
                // What is stored is wrong somewhere: the same upload begins at 0.
                if let Ok(next) = state.restarted()
                    && next != state
                {
                    journal
                        .append(device.flash, &next)
                        .map_err(|_failed| Refusal::Record)?;
                }
                return Err(Refusal::Image(error));
            }
        };
        let next = state
            .recovered(block.layout.mode, digest, info.security_counter)
            .map_err(|_wrong| Refusal::Phase)?;
        journal
            .append_twice(device.flash, &next)
            .map_err(|_failed| Refusal::Record)?;
        self.recovered = Some(Recovered {
            image,
            hash: info.image_hash,
        });
        device.board.tell(Note::Recovered(&next.current()));
        Ok(complete(image.len))
    }

    /// Erases the storage slot that an upload would go to. An upload under way is given up.
    pub(crate) fn erase<F: Flash, B: Console>(
        &mut self,
        block: &DeviceBlock,
        device: &mut Device<'_, F, B>,
    ) -> Result<(), Refusal> {
        self.upload = None;
        let state = self.receive(block, Image::default(), device)?;
        let slot = state.slot().ok_or(Refusal::Phase)?;
        let layout = &block.layout;
        let area = layout.slot(slot);
        let journal = self.journal.as_ref().ok_or(Refusal::Record)?;
        let permit = journal.permit(slot).ok_or(Refusal::Phase)?;
        let len = area.len.saturating_sub(layout.image_offset(slot));
        let sectors = len.checked_div(area.erase_len).unwrap_or(0);
        for sector in 0..sectors {
            device.board.feed_watchdog();
            let at = sector.saturating_mul(area.erase_len);
            permit
                .erase(device.flash, layout, at, area.erase_len)
                .map_err(|_failed| Refusal::Erase)?;
        }
        device.board.tell(Note::Erased);
        Ok(())
    }
}

/// The image as the first request of an upload announces it.
fn announced(block: &DeviceBlock, fields: &Fields<'_>) -> Result<Image, Refusal> {
    let len = fields.len.ok_or(Refusal::LengthMissing)?;
    let max = block.layout.image_len_max();
    if len > max {
        return Err(Refusal::TooLarge { len, max });
    }
    if len < u32::from(HEADER_LEN) {
        return Err(Refusal::NotAnImage);
    }
    let digest = match fields.sha {
        Some(sha) => <[u8; 32]>::try_from(sha).map_err(|_wrong| Refusal::Digest)?,
        None => [0; 32],
    };
    Ok(Image { len, digest })
}

const fn complete<'m>(off: u32) -> Answer<'m> {
    Answer::Offset {
        off,
        complete: true,
    }
}

/// The state to begin with when the record is lost. An image in storage that verifies is taken as
/// the backup, so that the upload does not overwrite it, and so that the next boot restores it if
/// the upload comes to nothing.
fn salvaged<F: Flash, B: Console>(block: &DeviceBlock, device: &mut Device<'_, F, B>) -> State {
    let (slots, mode) = match block.layout.mode {
        Mode::Swap => ([Slot::Storage0].as_slice(), Mode::Swap),
        Mode::Standby => ([Slot::Storage0, Slot::Storage1].as_slice(), Mode::Standby),
    };
    for &slot in slots {
        let mut ctx = device.context(block);
        let passes = Acceptance::ANY.judge(&mut ctx, Source::Slot(slot)).is_ok();
        if let Some((info, digest)) = ctx.found().filter(|_found| passes) {
            let image = Image {
                len: info.len,
                digest,
            };
            let mut state = State::default();
            state.set_backup(match mode {
                Mode::Standby => Backup::Copy(slot),
                Mode::Swap => Backup::Permuted,
            });
            state.set_backup_image(&image);
            state.set_permuted_len(image.len);
            state.set_floor(info.security_counter);
            return state;
        }
    }
    State::default()
}

impl Upload {
    fn new(layout: &Layout, slot: Slot, image: Image, step: u16) -> Self {
        let piece = image
            .len
            .div_ceil(PIECES)
            .checked_next_multiple_of(layout.slot(slot).erase_len)
            .unwrap_or(u32::MAX)
            .max(1);
        let at = piece.saturating_mul(u32::from(step));
        // A mark at or behind the end is none that this code has written.
        let at = if at < image.len { at } else { 0 };
        Self {
            slot,
            image,
            at,
            stage: [0; STAGE_LEN],
            staged: 0,
            erased_to: at,
            piece,
        }
    }

    /// Stores the next bytes.
    fn store<F: Flash, B: Console>(
        &mut self,
        data: &[u8],
        journal: &mut Journal,
        layout: &Layout,
        device: &mut Device<'_, F, B>,
    ) -> Result<(), Refusal> {
        let left = self.image.len.saturating_sub(self.at);
        if data.len() > usize::try_from(left).unwrap_or(usize::MAX) {
            return Err(Refusal::Overrun);
        }
        let mut data = data;
        while !data.is_empty() {
            let room = self.room();
            let (now, later) = data.split_at(room.min(data.len()));
            let end = self.staged.saturating_add(now.len());
            let stage = self.stage.get_mut(self.staged..end);
            stage.ok_or(Refusal::Program)?.copy_from_slice(now);
            self.staged = end;
            self.at = self
                .at
                .saturating_add(u32::try_from(now.len()).unwrap_or(u32::MAX));
            data = later;
            let at_mark = self.at.checked_rem(self.piece) == Some(0);
            if self.staged == STAGE_LEN || at_mark || self.at == self.image.len {
                self.flush(journal, layout, device)?;
            }
            if at_mark && self.at < self.image.len {
                self.mark(journal, device)?;
            }
        }
        Ok(())
    }

    /// Bytes that can be staged before something has to be programmed or marked; at least one.
    fn room(&self) -> usize {
        let to_mark = self
            .at
            .checked_rem(self.piece)
            .map_or(1, |past| self.piece.saturating_sub(past));
        let stage = STAGE_LEN.saturating_sub(self.staged);
        stage
            .min(usize::try_from(to_mark).unwrap_or(usize::MAX))
            .max(1)
    }

    /// Programs what is staged. Whole stages begin on write units; the last one is padded.
    fn flush<F: Flash, B: Console>(
        &mut self,
        journal: &Journal,
        layout: &Layout,
        device: &mut Device<'_, F, B>,
    ) -> Result<(), Refusal> {
        let permit = journal.permit(self.slot).ok_or(Refusal::Phase)?;
        let erase_len = layout.slot(self.slot).erase_len;
        device.board.feed_watchdog();
        while self.erased_to < self.at {
            permit
                .erase(device.flash, layout, self.erased_to, erase_len)
                .map_err(|_failed| Refusal::Erase)?;
            self.erased_to = self.erased_to.saturating_add(erase_len.max(1));
        }
        let padded = self
            .staged
            .checked_next_multiple_of(usize::from(layout.write_unit))
            .ok_or(Refusal::Program)?;
        let start = u32::try_from(self.staged)
            .ok()
            .and_then(|staged| self.at.checked_sub(staged))
            .ok_or(Refusal::Program)?;
        if let Some(padding) = self.stage.get_mut(self.staged..padded) {
            padding.fill(layout.erased);
        }
        let data = self.stage.get(..padded).ok_or(Refusal::Program)?;
        permit
            .program(device.flash, layout, start, data)
            .map_err(|_failed| Refusal::Program)?;
        self.staged = 0;
        Ok(())
    }

    fn mark<F: Flash, B: Console>(
        &self,
        journal: &mut Journal,
        device: &mut Device<'_, F, B>,
    ) -> Result<(), Refusal> {
        let pieces = self.at.checked_div(self.piece).unwrap_or(0);
        // A mark names the last piece that is stored, counted from 0.
        let last = u16::try_from(pieces)
            .ok()
            .and_then(|pieces| pieces.checked_sub(1));
        if let Some(last) = last {
            journal
                .mark(device.flash, last)
                .map_err(|_failed| Refusal::Record)?;
        }
        device.board.tell(Note::Stored {
            done: self.at,
            len: self.image.len,
        });
        Ok(())
    }
}
