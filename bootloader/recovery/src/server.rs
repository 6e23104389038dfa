//! What each request does. The groups are those of `MCUmgr`: 0 is the operating system, 1 images.

use crate::message::{Fields, Header, Operation};
use crate::refusal::{GROUP_IMAGE, GROUP_OS, Refusal};
use crate::reply::{Answer, Listed, Standing, VersionText};
use crate::session::{Console, Device, Next};
use crate::upload::Storage;
use core::fmt::Write as _;
use otaru_bootloader::{Recovery, Stopped};
use otaru_flash::{DeviceBlock, Flash, Slot};
use otaru_image::inspect;
use otaru_record::{Backup, SlotReader};

type Answered<'m> = Result<Answer<'m>, Refusal>;

/// Everything that a session knows.
#[derive(Debug)]
pub(crate) struct Server {
    reason: Recovery,
    block: Option<DeviceBlock>,
    storage: Storage,
    frame_len: u16,
}

impl Server {
    pub(crate) fn new(stopped: Stopped, frame_len: u16) -> Self {
        Self {
            storage: Storage {
                journal: stopped.journal,
                execution_verifies: stopped.reason == Recovery::Requested,
                upload: None,
                recovered: None,
            },
            reason: stopped.reason,
            block: stopped.block,
            frame_len,
        }
    }

    /// Answers a request, and whether the device is then reset.
    pub(crate) fn answer<'m, F: Flash, B: Console>(
        &mut self,
        header: Header,
        body: &'m [u8],
        device: &mut Device<'_, F, B>,
    ) -> (Answered<'m>, Next) {
        use Operation::{Read, Write};
        if header.version > 1 {
            return (Err(Refusal::Version), Next::Go);
        }
        let Ok(fields) = Fields::parse(body) else {
            return (Err(Refusal::Malformed), Next::Go);
        };
        let answer = match (header.group, header.command, header.operation) {
            (GROUP_OS, 0, Read | Write) => fields.text.map(Answer::Echo).ok_or(Refusal::Malformed),
            (GROUP_OS, 5, Write) => return (Ok(Answer::Empty), Next::Reset),
            (GROUP_OS, 6, Read) => Ok(Answer::Parameters(self.frame_len)),
            (GROUP_OS, 8, Read) => match fields.query {
                None => Ok(Answer::Bootloader),
                Some(_unknown) => Err(Refusal::Query),
            },
            (GROUP_IMAGE, 0, Read) => Ok(self.images(device)),
            (GROUP_IMAGE, 0, Write) => self.set_state(&fields, device),
            (GROUP_IMAGE, 1, Write) => self.upload(&fields, device),
            (GROUP_IMAGE, 5, Write) => self.erase(&fields, device),
            _ => Err(Refusal::Command),
        };
        (answer, Next::Go)
    }

    /// The images as they describe themselves. What they are worth follows from what this boot and
    /// this session have verified, not from another reading.
    fn images<'m, F: Flash, B: Console>(&self, device: &mut Device<'_, F, B>) -> Answer<'m> {
        let Some(block) = &self.block else {
            return Answer::Images([None, None]);
        };
        let verifies = self.storage.execution_verifies;
        let recovered = self.storage.recovered.is_some();
        let mut execution = listed(block, Slot::Execution, device);
        if let Some(image) = &mut execution {
            image.standing = match (verifies, recovered) {
                (false, _) => Standing::Unknown,
                (true, false) => Standing::Current,
                (true, true) => Standing::Replaced,
            };
        }
        let state = self
            .storage
            .journal
            .as_ref()
            .map(|journal| *journal.state());
        let slot = match state {
            // The uploaded image is its own backup.
            Some(state) if recovered => match state.backup() {
                Backup::Copy(slot) => slot,
                Backup::Permuted | Backup::None => Slot::Storage0,
            },
            Some(state) => state.slot().unwrap_or(state.free_slot(block.layout.mode)),
            None => Slot::Storage0,
        };
        let mut storage = listed(block, slot, device);
        if let Some(image) = storage.as_mut().filter(|_| recovered) {
            image.standing = Standing::Pending;
        }
        Answer::Images([execution, storage])
    }

    /// There is nothing to set: what was uploaded and verified runs. To say so once more is no
    /// mistake, because clients that upgrade in one go do it.
    fn set_state<'m, F: Flash, B: Console>(
        &self,
        fields: &Fields<'_>,
        device: &mut Device<'_, F, B>,
    ) -> Answered<'m> {
        match &self.storage.recovered {
            Some(done) if fields.hash.is_none_or(|hash| hash == done.hash) => {
                Ok(self.images(device))
            }
            Some(_) | None => Err(Refusal::State),
        }
    }

    /// The device block, if anything can be uploaded at all.
    fn usable(&self) -> Result<&DeviceBlock, Refusal> {
        match (self.reason, &self.block) {
            (Recovery::NoImage(_) | Recovery::Requested, Some(block)) => Ok(block),
            (reason, _) => Err(Refusal::Beyond(reason)),
        }
    }

    fn upload<'m, F: Flash, B: Console>(
        &mut self,
        fields: &Fields<'_>,
        device: &mut Device<'_, F, B>,
    ) -> Answered<'m> {
        let block = self.usable()?.clone();
        self.storage.take(&block, fields, device)
    }

    fn erase<'m, F: Flash, B: Console>(
        &mut self,
        fields: &Fields<'_>,
        device: &mut Device<'_, F, B>,
    ) -> Answered<'m> {
        let block = self.usable()?.clone();
        if fields.slot.is_some_and(|slot| slot != 1) {
            return Err(Refusal::Slot);
        }
        self.storage.erase(&block, device)?;
        Ok(Answer::Empty)
    }
}

/// What the image in a slot says about itself, if one begins and ends there.
fn listed<F: Flash, B: Console>(
    block: &DeviceBlock,
    slot: Slot,
    device: &mut Device<'_, F, B>,
) -> Option<Listed> {
    let layout = &block.layout;
    let mut source = SlotReader::new(device.flash, layout, slot);
    let info = inspect(&mut source, layout.image_len_max()).ok()?;
    let mut version = VersionText::new();
    match info.label {
        Some(label) => write!(version, "{label}").ok()?,
        None => write!(version, "{}", info.header.version).ok()?,
    }
    Some(Listed {
        slot: u8::from(slot != Slot::Execution),
        version,
        hash: info.image_hash,
        standing: Standing::Unknown,
    })
}
