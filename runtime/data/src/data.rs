//! The values in their area of the flash.

use crate::table::{ENTRY_LEN, Table};
use crate::{Key, Schema, TABLE_LEN_MAX, Value};
use core::fmt;
use otaru_flash::{Area, DEVICE_BLOCK_LEN, DeviceBlock, Flash, Layout};
use otaru_record::{AppendError, Geometry, Journal, Units};
use otaru_runtime_agent::Permanent;

/// Entries that a half of the area must hold: a boot takes up to four, a change one.
const CELLS_MIN: u32 = 8;

/// A value to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<'a> {
    /// Which value.
    pub key: Key,
    /// The form of the bytes; 1 or more.
    pub schema: Schema,
    /// The bytes, 255 at most.
    pub bytes: &'a [u8],
}

/// Why data could not be opened or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataError<E> {
    /// The area is used for something else, outside the flash, or too short: it takes two halves of
    /// whole sectors and 4 KiB each.
    BadArea,
    /// There is no readable device block: this device was never flashed.
    NoDevice,
    /// Schemas begin at 1.
    NoSchema,
    /// The values together are longer than [`TABLE_LEN_MAX`] bytes, or one longer than 255: nothing
    /// was written. Retire old schemas.
    Full,
    /// The flash failed. The former values or the new ones are in force, which the next boot sees.
    Flash(AppendError<E>),
}

impl<E: fmt::Debug> fmt::Display for DataError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadArea => f.write_str("data area is too short or used for something else"),
            Self::NoDevice => f.write_str("no device block: flash the device first"),
            Self::NoSchema => f.write_str("there is no schema 0: the first one is 1"),
            Self::Full => write!(
                f,
                "values longer than {TABLE_LEN_MAX} bytes: retire old schemas"
            ),
            Self::Flash(cause) => write!(f, "data not written: {cause}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for DataError<E> {}

/// The data of an application, in an area of the flash that is used for nothing else.
#[derive(Debug)]
pub struct Data<F> {
    flash: F,
    journal: Journal<Table>,
    is_new: bool,
}

impl<F: Flash> Data<F> {
    /// Opens the data in `area` of a device whose device block stands at `device_block_at`
    /// (`board.boot().device_block_at`). See [`open`](Self::open).
    ///
    /// # Errors
    /// [`DataError::NoDevice`], [`DataError::BadArea`], [`DataError::Flash`].
    pub fn on_device(
        mut flash: F,
        device_block_at: u32,
        area: Area,
    ) -> Result<Self, DataError<F::Error>> {
        let mut raw = [0; DEVICE_BLOCK_LEN];
        let read = flash.read(device_block_at, &mut raw);
        read.map_err(|_unreadable| DataError::NoDevice)?;
        let block = DeviceBlock::decode(&raw).map_err(|_why| DataError::NoDevice)?;
        Self::open(flash, area, &block.layout)
    }

    /// Opens the data in `area`. `layout` is the device's: the area may overlap none of its areas.
    ///
    /// Where there are no values yet, or none that can be read, it begins empty:
    /// [`is_new`](Self::is_new) says so. A change that a power cut interrupted is either done or
    /// not; on a flash whose torn bits read differently each time it may also appear later than at
    /// the next start, but never after the next change.
    ///
    /// # Errors
    /// [`DataError::BadArea`], [`DataError::Flash`].
    pub fn open(mut flash: F, area: Area, layout: &Layout) -> Result<Self, DataError<F::Error>> {
        let geometry = geometry_of(&area, layout).ok_or(DataError::BadArea)?;
        let found = Journal::load_with(&mut flash, geometry).ok();
        let is_new = found.is_none();
        let journal = match found {
            Some(mut journal) => journal.settle(&mut flash).map(|()| journal),
            None => Journal::create(&mut flash, geometry, &Table::default()),
        };
        Ok(Self {
            flash,
            journal: journal.map_err(DataError::Flash)?,
            is_new,
        })
    }

    /// Whether no values were found when this was opened: the first start, or all copies of the
    /// values are damaged.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The value of `key` that was written last, among the schemas 1 to `newest`.
    pub fn get(&self, key: Key, newest: Schema) -> Option<Value<'_>> {
        self.journal.state().get(key, newest)
    }

    /// Writes one value. Other schemas of its key stay as they are.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn put(
        &mut self,
        key: Key,
        schema: Schema,
        bytes: &[u8],
    ) -> Result<(), DataError<F::Error>> {
        self.put_all(&[Put { key, schema, bytes }])
    }

    /// Writes several values at once: after a power cut all of them are there or none.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn put_all(&mut self, puts: &[Put<'_>]) -> Result<(), DataError<F::Error>> {
        let mut table = *self.journal.state();
        for put in puts {
            if put.schema.0 == 0 {
                return Err(DataError::NoSchema);
            }
            table
                .set(put.key, put.schema, put.bytes)
                .ok_or(DataError::Full)?;
        }
        self.write(&table)
    }

    /// Takes away the values of `key` in every schema below `below`. `permanent` proves that no
    /// firmware comes back by itself that would miss them.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn retire(
        &mut self,
        key: Key,
        below: Schema,
        permanent: Permanent,
    ) -> Result<(), DataError<F::Error>> {
        // It is asked for, and that is all.
        let _ = permanent;
        let mut table = *self.journal.state();
        if table.retain(|item| item.key != key || item.schema >= below) {
            self.write(&table)?;
        }
        Ok(())
    }

    fn write(&mut self, table: &Table) -> Result<(), DataError<F::Error>> {
        self.journal
            .append(&mut self.flash, table)
            .map_err(DataError::Flash)
    }
}

fn geometry_of(area: &Area, layout: &Layout) -> Option<Geometry> {
    let inside = area.end().is_some_and(|end| end <= layout.flash_len);
    let aligned = area.offset.checked_rem(area.erase_len) == Some(0);
    let apart = layout.areas().iter().all(|(_, used)| !used.overlaps(area));
    let units = Units {
        write_unit: layout.write_unit,
        erased: layout.erased,
        overwrite: layout.overwrite,
    };
    let geometry = Geometry::of_entries(area, units, ENTRY_LEN, CELLS_MIN).ok();
    geometry.filter(|_| inside && aligned && apart)
}
