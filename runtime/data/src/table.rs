//! All values of an application, as they stand in one entry of the journal.

use otaru_record::Body;

/// Bytes for all values together: each takes its length and [`HEAD_LEN`] bytes more.
pub const TABLE_LEN_MAX: usize = 480;

/// Bytes in front of a value: key (2), schema (1), length (1), turn (4).
pub(crate) const HEAD_LEN: usize = 8;

/// Bytes of an entry in front of the body: written by the journal.
const ENTRY_HEAD_LEN: usize = 16;
/// Bytes of the body in front of the values: their length (4), the next turn (4).
const BODY_HEAD_LEN: usize = 8;
/// Bytes of an entry with its checksum.
pub(crate) const ENTRY_LEN: u32 = 512;

/// Which value: a number that the application gives away once and never again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u16);

/// The form of a value's bytes: 1 for the first one, and one more whenever a firmware in the field
/// could not read what is written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schema(pub u8);

/// A value as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The form of the bytes.
    pub schema: Schema,
    /// The application's bytes.
    pub bytes: &'a [u8],
}

/// One value with everything that is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) key: Key,
    pub(crate) schema: Schema,
    /// Counts every value ever written: says which of two schemas of a key is the newer.
    pub(crate) turn: u32,
    pub(crate) bytes: &'a [u8],
}

/// Values in no order, each key and schema at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    next: u32,
    len: usize,
    bytes: [u8; TABLE_LEN_MAX],
}

impl Default for Table {
    fn default() -> Self {
        Self {
            next: 0,
            len: 0,
            bytes: [0; TABLE_LEN_MAX],
        }
    }
}

/// The items of some bytes; ends where they make no sense.
struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (head, rest) = self.0.split_first_chunk::<HEAD_LEN>()?;
        let [k0, k1, schema, len, t0, t1, t2, t3] = *head;
        let (bytes, rest) = rest.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(Item {
            key: Key(u16::from_le_bytes([k0, k1])),
            schema: Schema(schema),
            turn: u32::from_le_bytes([t0, t1, t2, t3]),
            bytes,
        })
    }
}

impl Table {
    fn items(&self) -> Items<'_> {
        Items(self.bytes.get(..self.len).unwrap_or(&[]))
    }

    /// The newest value of a key among the schemas up to `newest`.
    pub(crate) fn get(&self, key: Key, newest: Schema) -> Option<Value<'_>> {
        let readable = |item: &Item<'_>| item.key == key && item.schema <= newest;
        let best = self.items().filter(readable).max_by_key(|item| item.turn)?;
        Some(Value {
            schema: best.schema,
            bytes: best.bytes,
        })
    }

    /// Keeps only the items for which `keep` says so; whether one is gone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Item<'_>) -> bool) -> bool {
        let before = *self;
        self.len = 0;
        for item in before.items().filter(keep) {
            // What was there fits again.
            let _ = self.append(&item);
        }
        self.len != before.len
    }

    /// Puts a value in the place of the one with the same key and schema. `None` if it does not fit;
    /// the table is then of no use.
    pub(crate) fn set(&mut self, key: Key, schema: Schema, bytes: &[u8]) -> Option<()> {
        self.retain(|item| (item.key, item.schema) != (key, schema));
        let turn = self.next;
        self.next = turn.saturating_add(1);
        self.append(&Item {
            key,
            schema,
            turn,
            bytes,
        })
    }

    fn append(&mut self, item: &Item<'_>) -> Option<()> {
        let len = u8::try_from(item.bytes.len()).ok()?;
        let room = self.bytes.get_mut(self.len..)?;
        let (head, room) = room.split_first_chunk_mut::<HEAD_LEN>()?;
        let ([k0, k1], [t0, t1, t2, t3]) = (item.key.0.to_le_bytes(), item.turn.to_le_bytes());
        let bytes = room.get_mut(..item.bytes.len())?;
        *head = [k0, k1, item.schema.0, len, t0, t1, t2, t3];
        bytes.copy_from_slice(item.bytes);
        self.len = self.len.checked_add(HEAD_LEN)?.checked_add(bytes.len())?;
        Some(())
    }

    /// Whether the items fill their length exactly, have schemas, and turns that were given out.
    fn is_well_formed(&self) -> bool {
        let mut used = 0_usize;
        for item in self.items() {
            if item.schema.0 == 0 || item.turn >= self.next {
                return false;
            }
            used = used
                .saturating_add(HEAD_LEN)
                .saturating_add(item.bytes.len());
        }
        used == self.len
    }
}

impl Body for Table {
    /// "OTDT", little-endian.
    const TAG: u32 = u32::from_le_bytes(*b"OTDT");

    fn put(&self, entry: &mut [u8]) -> Option<()> {
        let body = entry.get_mut(ENTRY_HEAD_LEN..)?;
        let (head, values) = body.split_first_chunk_mut::<BODY_HEAD_LEN>()?;
        let len = u32::try_from(self.len).ok()?;
        let ([l0, l1, l2, l3], [n0, n1, n2, n3]) = (len.to_le_bytes(), self.next.to_le_bytes());
        *head = [l0, l1, l2, l3, n0, n1, n2, n3];
        *values.first_chunk_mut::<TABLE_LEN_MAX>()? = self.bytes;
        Some(())
    }

    fn take(&mut self, entry: &[u8]) -> Option<()> {
        let body = entry.get(ENTRY_HEAD_LEN..)?;
        let (head, values) = body.split_first_chunk::<BODY_HEAD_LEN>()?;
        let [l0, l1, l2, l3, n0, n1, n2, n3] = *head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        self.len = usize::try_from(len)
            .ok()
            .filter(|&len| len <= TABLE_LEN_MAX)?;
        self.next = u32::from_le_bytes([n0, n1, n2, n3]);
        self.bytes = *values.first_chunk()?;
        self.is_well_formed().then_some(())
    }

    fn is_storable(&self) -> bool {
        self.len <= TABLE_LEN_MAX && self.is_well_formed()
    }

    fn mark(&mut self, _step: u16) {}
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Body, ENTRY_LEN, Key, Schema, Table, Value};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    const KEYS: u16 = 3;

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let mut table = Table::default();
        table.set(Key(0x0102), Schema(3), b"ab").unwrap();
        let mut entry = [0xEE; ENTRY_LEN as usize - 8];
        Body::put(&table, &mut entry).unwrap();
        let (body, rest) = entry.get(16..).unwrap().split_at(18);
        assert_eq!(body, b"\x0A\0\0\0\x01\0\0\0\x02\x01\x03\x02\0\0\0\0ab");
        assert!(rest.iter().all(|&byte| byte == 0));
        assert_eq!(Table::TAG.to_le_bytes(), *b"OTDT");
    }

    fn puts() -> impl Strategy<Value = Vec<(u16, u8, Vec<u8>)>> {
        vec((0..KEYS, 1..4_u8, vec(any::<u8>(), 0..40)), 0..60)
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_that_remembers_the_order_of_writing(puts in puts()) {
            let mut table = Table::default();
            let mut model: BTreeMap<(u16, u8), (usize, Vec<u8>)> = BTreeMap::new();
            for (turn, (key, schema, bytes)) in puts.into_iter().enumerate() {
                prop_assert!(table.set(Key(key), Schema(schema), &bytes).is_some());
                model.insert((key, schema), (turn, bytes));
            }
            // What is read back from an entry is the same.
            let mut entry = [0; ENTRY_LEN as usize - 8];
            Body::put(&table, &mut entry).unwrap();
            let mut read = Table::default();
            prop_assert_eq!(read.take(&entry), Some(()));
            for key in 0..KEYS {
                for newest in 0..5 {
                    let expected = model
                        .iter()
                        .filter(|((k, schema), _)| *k == key && *schema <= newest)
                        .max_by_key(|(_, (turn, _))| *turn)
                        .map(|((_, schema), (_, bytes))| (Schema(*schema), bytes.as_slice()));
                    let found = read.get(Key(key), Schema(newest));
                    let found = found.map(|Value { schema, bytes }| (schema, bytes));
                    prop_assert_eq!(found, expected);
                }
            }
        }

        #[test]
        fn any_entry_is_taken_whole_or_refused(entry in vec(any::<u8>(), 0..600), len in 0..600_u32) {
            let mut entry = entry;
            if let Some(place) = entry.get_mut(16..20) {
                place.copy_from_slice(&len.to_le_bytes());
            }
            let mut table = Table::default();
            if table.take(&entry).is_some() {
                prop_assert!(table.is_storable());
            }
        }
    }
}
