//! Places in the file that a structure names.

use crate::{Defect, MIB};
use assay_probe::keys::vhdx as keys;
use assay_probe::{Finding, Image, Place, Report};

/// A run of bytes of the file: the log, a region or a payload block.
#[derive(Clone, Copy, Default)]
pub struct Extent {
    pub offset: u64,
    pub length: u64,
}

impl Extent {
    /// Reports an extent that is not aligned, lies in the header section, or
    /// behind the end of the file. `invalid` is the finding for a place that
    /// no extent can have, `field` where it was read.
    pub fn check(&self, image: &Image, report: &mut Report, invalid: Finding, field: Place) -> Result<(), Defect> {
        let misplaced = self.offset < MIB || (self.offset | self.length) & (MIB - 1) != 0;
        if misplaced || self.offset > i64::MAX as u64 - self.length {
            report.finding(invalid, field, [self.offset, self.length]);
            return Err(Defect);
        }
        self.inside(image, report, field)
    }

    /// Reports `incomplete` when the file ends before the extent does.
    pub fn inside(&self, image: &Image, report: &mut Report, field: Place) -> Result<(), Defect> {
        if image.ends_before(self.offset, self.length) {
            let end = self.offset.saturating_add(self.length);
            report.finding(keys::INCOMPLETE, field, [end, image.size().unwrap_or(0)]);
            return Err(Defect);
        }
        Ok(())
    }

    /// Whether two extents share bytes. Their ends must be in reach.
    pub fn overlaps(&self, other: &Extent) -> bool {
        self.offset < other.offset + other.length && other.offset < self.offset + self.length
    }
}

/// Section 2.2: everything up to the first MiB is there, or nothing is.
pub fn header_section(image: &Image, report: &mut Report) -> Result<(), Defect> {
    match image.size() {
        Some(size) if size < MIB => {
            report.finding(keys::HEADER_CUT, Place::new(0, size), [size, MIB]);
            Err(Defect)
        }
        _ => Ok(()),
    }
}
