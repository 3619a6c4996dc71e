//! The footer (section Stream-Optimized Compressed Sparse Extents): the last
//! three sectors of a file that was written as a stream.

use crate::geometry;
use crate::header::{self, Header};
use crate::{Defect, SECTOR};
use assay_probe::keys::vmdk as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Footer marker, footer and end-of-stream marker, in bytes.
pub const LENGTH: u64 = 3 * SECTOR;

/// Types of markers of metadata.
pub const GRAIN_TABLE: u32 = 1;
pub const GRAIN_DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// gdOffset and rgdOffset, which a header cannot know.
const DIFFERENT: core::ops::Range<usize> = 48..64;

/// The type of a marker of metadata; `None` of one for a grain, whose size is
/// not 0.
pub fn marker_type(marker: &[u8]) -> Option<u32> {
    match marker.le32(8)? {
        0 => marker.le32(12),
        _ => None,
    }
}

/// The capacity that the footer has, in sectors, when there is one.
pub fn capacity(header: &Header, image: &mut Image) -> Option<u64> {
    let at = image.size().filter(|_| header.has_footer())?.checked_sub(LENGTH)?;
    let copy = image.bytes(at, LENGTH as usize)?.get(SECTOR as usize..)?;
    match copy.get(..4) {
        Some(b"KDMV") => copy.le64(12),
        _ => None,
    }
}

/// Reads the footer of a file of known size and returns the sector of the
/// grain directory.
pub fn read(header: &Header, size: u64, image: &mut Image, report: &mut Report) -> Result<u64, Defect> {
    let at = size.saturating_sub(LENGTH);
    let missing = [at, 0];
    // A reader that counts in sectors finds another place when the last is cut.
    let aligned = size % SECTOR == 0 && at >= header::LENGTH;
    let head = image.head().get(..header::LENGTH as usize).unwrap_or_default();
    let footer = image.bytes(at, LENGTH as usize).unwrap_or_default();
    let (marker, rest) = footer.split_at(footer.len().min(SECTOR as usize));
    let (copy, end) = rest.split_at(rest.len().min(SECTOR as usize));
    let is_end = end.le64(0) == Some(0) && end.le64(8) == Some(0);
    if !aligned || marker_type(marker) != Some(FOOTER) || !is_end || copy.get(..4) != Some(b"KDMV") {
        report.finding(keys::FOOTER_MISSING, Place::new(at, size - at), missing);
        return Err(Defect);
    }
    for (i, (a, b)) in head.iter().zip(copy).enumerate() {
        if a != b && !DIFFERENT.contains(&i) {
            let byte = at + SECTOR + i as u64;
            report.finding(keys::FOOTER_DIFFERS, Place::new(byte, 1), [byte]);
            return Err(Defect);
        }
    }
    let gd_offset = copy.le64(56).unwrap_or(0);
    let field = Place::new(at + SECTOR + geometry::GD_OFFSET.offset, geometry::GD_OFFSET.length);
    geometry::directory(header, image, report, field, gd_offset)?;
    Ok(gd_offset)
}
