//! The bitmap directory and the bitmaps' tables (sections Bitmap directory,
//! Bitmap table).

use crate::entries::Entries;
use crate::extensions::Directory;
use crate::geometry;
use crate::header::Header;
use crate::ledger::Ledger;
use crate::Defect;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Bytes of a directory entry before its extra data.
const FIXED: u64 = 24;
/// Bits 9-55 of a table entry: the offset of a cluster of bits.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 0, when the offset is 0: all bits are set.
const ALL_ONES: u64 = 1;

/// Follows the bitmaps, entering what they use; ends at the first defect.
pub fn walk(
    header: &Header,
    directory: &Directory,
    image: &mut Image,
    report: &mut Report,
    used: &mut Ledger,
) -> Result<(), Defect> {
    let end = directory.offset + directory.bytes;
    let mut at = directory.offset;
    for _ in 0..directory.count {
        let entry = image.bytes(at, FIXED as usize).ok_or(Defect)?;
        let (offset, entries) = (entry.be64(0).unwrap_or(0), entry.be32(8).unwrap_or(0));
        let name = entry.be16(18).unwrap_or(0);
        let extra = entry.be32(20).unwrap_or(0);
        let bytes = 8 * u64::from(entries);
        if !header.is_offset(offset, bytes) {
            report.finding(keys::BITMAP_ENTRY, Place::new(at, 8), [offset]);
            return Err(Defect);
        }
        geometry::inside(image, report, Place::new(at, 8), offset, bytes)?;
        used.add_range(header, offset, bytes);
        table(header, offset, entries, image, report, used)?;
        let length = (FIXED + u64::from(name) + u64::from(extra) + 7) & !7;
        if length > end - at {
            report.finding(keys::BITMAP_ENTRY, Place::new(at + 18, 6), [length]);
            return Err(Defect);
        }
        at += length;
    }
    if at != end {
        report.finding(keys::BITMAP_ENTRY, Place::new(at, end - at), [end - at]);
        return Err(Defect);
    }
    Ok(())
}

fn table(
    header: &Header,
    offset: u64,
    entries: u32,
    image: &mut Image,
    report: &mut Report,
    used: &mut Ledger,
) -> Result<(), Defect> {
    let mut entries = Entries::new(offset, entries.into());
    while let Some((at, entry)) = entries.next(image)? {
        if entry == ALL_ONES {
            continue;
        }
        if entry & !OFFSET != 0 || entry & (header.cluster() - 1) != 0 {
            report.finding(keys::BITMAP_ENTRY, Place::new(at, 8), [entry]);
            return Err(Defect);
        }
        geometry::inside(image, report, Place::new(at, 8), entry, 1)?;
        used.add(entry >> header.cluster_bits, 1);
    }
    Ok(())
}
