//! How large the disk is: two fields say so, and it depends on the program
//! that wrote the image which of them counts.

use crate::footer::{Footer, LENGTH};
use crate::Defect;
use assay_probe::keys::{self as core_keys, vhd as keys};
use assay_probe::{Image, Report};

const SECTOR: u64 = 512;

/// Largest disk that qemu opens: 2040 GiB.
const MAX_SIZE: u64 = 2040 << 30;

/// The largest geometry, in sectors. It stands for every larger disk, so that
/// with it the current size counts.
const MAX_GEOMETRY: u64 = 65535 * 16 * 255;

/// Creators whose disks have the current size; in qemu's driver every other
/// one's has that of the geometry.
const BY_CURRENT_SIZE: [&[u8; 4]; 5] = [b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS"];

/// Returns the size of the disk as qemu sees it, in bytes. Both fields must
/// give a disk that can be, and where the geometry counts, it must be the
/// current size's: the largest number of whole cylinders within it.
pub fn check(footer: &Footer, report: &mut Report) -> Result<u64, Defect> {
    let track = u64::from(footer.heads) * u64::from(footer.sectors);
    let geometry = u64::from(footer.cylinders) * track;
    let by_geometry = !BY_CURRENT_SIZE.contains(&&footer.creator_app) && geometry != MAX_GEOMETRY;
    let geometry = geometry * SECTOR;
    let current = footer.current_size;
    let size = if by_geometry { geometry } else { current & !(SECTOR - 1) };
    report.number(keys::CURRENT_SIZE, footer.place(48, 8), current);
    report.number(keys::GEOMETRY_SIZE, footer.place(56, 4), geometry);
    report.number(core_keys::VIRTUAL_SIZE, if by_geometry { footer.place(56, 4) } else { footer.place(48, 8) }, size);
    if current & (SECTOR - 1) != 0 || current > MAX_SIZE {
        report.finding(keys::VIRTUAL_SIZE, footer.place(48, 8), [current, MAX_SIZE]);
        return Err(Defect);
    }
    if by_geometry && geometry != current {
        let lost = current.checked_sub(geometry);
        if lost.map_or(true, |lost| lost >= track * SECTOR) {
            report.finding(keys::GEOMETRY, footer.place(56, 4), [geometry, current]);
            return Err(Defect);
        }
        report.finding(keys::SIZE_BY_GEOMETRY, footer.place(56, 4), [geometry, current]);
    }
    Ok(size)
}

/// A fixed disk lies in front of its footer, all of it, and the footer is a
/// sector of the file: qemu finds no other.
pub fn fits(footer: &Footer, disk: u64, image: &Image, report: &mut Report) -> Result<(), Defect> {
    let needed = disk.max(footer.current_size);
    if needed > footer.at {
        report.finding(keys::INCOMPLETE, footer.place(48, 8), [needed + LENGTH, image.size().unwrap_or(0)]);
        return Err(Defect);
    }
    if footer.at & (SECTOR - 1) != 0 {
        report.finding(keys::UNALIGNED_FOOTER, footer.place(0, LENGTH), [footer.at]);
        return Err(Defect);
    }
    Ok(())
}
