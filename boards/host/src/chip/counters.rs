//! How often the flash was erased and programmed, for the summary of an update.

use super::geometry::Geometry;
use serde::{Deserialize, Serialize};

/// Flash operations of one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// Sectors erased.
    pub erases: u64,
    /// Program operations.
    pub programs: u64,
    /// Bytes programmed.
    pub bytes: u64,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            erases: self.erases + other.erases,
            programs: self.programs + other.programs,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Operations in one area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaCount {
    /// Name of the area.
    pub name: String,
    /// Since the chip was started.
    pub total: Count,
    /// Since the CPU was last reset.
    pub since_reset: Count,
}

/// All counters of a flash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Flash operations (an erase or a program call of any length) since the chip was started.
    pub operations: u64,
    /// The same since the CPU was last reset.
    pub operations_since_reset: u64,
    /// One entry per area, in the order of the geometry, then one for everything else.
    pub areas: Vec<AreaCount>,
}

impl Counters {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let names = geometry.areas.iter().map(|area| area.name.as_str());
        let areas = names
            .chain(["elsewhere"])
            .map(|name| AreaCount {
                name: name.to_owned(),
                total: Count::default(),
                since_reset: Count::default(),
            })
            .collect();
        Self {
            areas,
            ..Self::default()
        }
    }

    /// Counts one operation.
    pub(super) fn operation(&mut self) {
        self.operations += 1;
        self.operations_since_reset += 1;
    }

    /// Counts what an operation did in one area; `None` is elsewhere.
    pub(super) fn add(&mut self, area: Option<usize>, count: Count) {
        let last = self.areas.len().saturating_sub(1);
        if let Some(area) = self.areas.get_mut(area.unwrap_or(last)) {
            area.total = area.total.plus(count);
            area.since_reset = area.since_reset.plus(count);
        }
    }

    pub(crate) fn reset(&mut self) {
        self.operations_since_reset = 0;
        for area in &mut self.areas {
            area.since_reset = Count::default();
        }
    }

    /// The sum over all areas since the chip was started.
    pub fn total(&self) -> Count {
        self.areas
            .iter()
            .fold(Count::default(), |sum, area| sum.plus(area.total))
    }
}
