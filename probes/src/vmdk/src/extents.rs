//! The extent lines of a descriptor. Whether the first describes the file
//! itself shows when the last line was seen.

use crate::line::{self, Access, Content, Extent};
use assay_probe::keys::vmdk as keys;
use assay_probe::{Image, Place, Report};

/// Extents reported by name; more are counted. The policy's bound is of this
/// size, and the report has room for as many names of the longest kind.
const REPORTED: u32 = 64;
/// What is reported of a name, in bytes: as much as qemu's driver takes.
pub const MAX_NAME: usize = 511;

#[derive(Default)]
pub struct Extents {
    pub count: u32,
    /// Sectors of the disk that qemu's driver would see, saturating.
    pub sectors: u64,
    first: Option<Place>,
}

impl Extents {
    /// Takes the extent of the line at a place.
    pub fn add(&mut self, extent: &Extent, place: Place, report: &mut Report) {
        self.count = self.count.saturating_add(1);
        self.sectors = self.sectors.saturating_add(extent.counted());
        if self.count == 1 {
            self.first = Some(place);
        } else if self.count <= REPORTED {
            reference(extent, place, report);
        }
    }

    /// Says what the first extent is: the file itself when it is the only one
    /// and describes a file of this capacity in sectors, where `None` stands
    /// for a file that holds no disk.
    pub fn finish(&self, capacity: Option<u64>, image: &mut Image, report: &mut Report) {
        report.number(keys::EXTENTS, Place::NONE, self.count.into());
        let place = match self.first {
            Some(place) => place,
            None => return,
        };
        let extent = match line::parse(image.most(place.offset, place.length as usize)) {
            Content::Extent(extent) => extent,
            _ => return, // the file changed under the run, which the host sees
        };
        let describes = match capacity {
            Some(sectors) if self.count == 1 => extent.describes(sectors),
            _ => None,
        };
        match describes {
            Some(Access::ReadWrite) => report.text(keys::SELF_EXTENT, place, cut(extent.name)),
            Some(Access::ReadOnly) => report.reference(keys::READ_ONLY_EXTENT, place, cut(extent.name)),
            None => reference(&extent, place, report),
        }
    }
}

fn reference(extent: &Extent, place: Place, report: &mut Report) {
    report.reference(keys::EXTENT, place, cut(extent.name));
}

/// Cuts a name to what is reported of it.
pub fn cut(name: &[u8]) -> &[u8] {
    name.get(..MAX_NAME).unwrap_or(name)
}
