//! Reading an image where it stands in flash.

use otaru_flash::{AccessError, Area, Flash, Layout, Slot};
use otaru_image::ReadAt;

/// The image in a slot; offset 0 is its first header byte.
#[derive(Debug)]
pub struct SlotReader<'a, F> {
    flash: &'a mut F,
    area: Area,
    base: u32,
}

impl<'a, F: Flash> SlotReader<'a, F> {
    /// The image in `slot`.
    pub fn new(flash: &'a mut F, layout: &Layout, slot: Slot) -> Self {
        Self {
            flash,
            area: *layout.slot(slot),
            base: layout.image_offset(slot),
        }
    }
}

impl<F: Flash> ReadAt for SlotReader<'_, F> {
    type Error = AccessError<F::Error>;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        let at = self
            .base
            .checked_add(offset)
            .ok_or(AccessError::OutOfBounds)?;
        self.area.read(self.flash, at, buf)
    }
}
