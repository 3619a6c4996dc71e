//! The boot catalog of El Torito (version 1.0, section 2).

use crate::{incomplete, SECTOR};
use assay_probe::keys::iso as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Bytes of an entry. The first sector of a catalog holds 64 of them; what
/// tools write is shorter.
const ENTRY: usize = 32;

/// First bytes of entries (sections 2.1 to 2.5).
const VALIDATION: u8 = 0x01;
const BOOTABLE: u8 = 0x88;
const NOT_BOOTABLE: u8 = 0x00;
const HEADER: u8 = 0x90;
const LAST_HEADER: u8 = 0x91;
const EXTENSION: u8 = 0x44;

/// Checks the catalog in a sector; false when it is malformed.
pub fn check(sector: u32, image: &mut Image, report: &mut Report) -> bool {
    let at = u64::from(sector) * SECTOR;
    let place = Place::new(at, SECTOR);
    if image.ends_before(at, SECTOR) {
        incomplete(at + SECTOR, place, image, report);
        return true;
    }
    let mut images = [None; SECTOR as usize / ENTRY];
    let well_formed = match image.bytes(at, SECTOR as usize) {
        Some(catalog) => is_valid(catalog) && walk(catalog, &mut images),
        None => return true, // not arrived
    };
    if !well_formed {
        report.finding(keys::BOOT_CATALOG, place, [at]);
    }
    for (i, sector) in images.iter().enumerate() {
        if let Some(sector) = sector {
            let start = u64::from(*sector) * SECTOR;
            incomplete(start + 1, Place::new(at + (ENTRY * i) as u64 + 8, 4), image, report);
        }
    }
    report.number(keys::BOOT_IMAGES, place, images.iter().flatten().count() as u64);
    well_formed
}

/// Section 2.1: a header, a key, and 16-bit words that add up to 0.
fn is_valid(catalog: &[u8]) -> bool {
    let words = catalog.get(..ENTRY).unwrap_or_default().chunks_exact(2);
    let sum = words.filter_map(|w| w.le16(0)).fold(0, u16::wrapping_add);
    catalog.u8(0) == Some(VALIDATION) && catalog.be16(30) == Some(0x55aa) && sum == 0
}

/// Notes the start of each boot image at its entry's number: the default
/// entry behind the validation entry, then sections of as many entries as
/// their header says.
fn walk(catalog: &[u8], images: &mut [Option<u32>]) -> bool {
    let mut left = 1; // entries of the section
    let mut last = false; // no section follows
    for (i, (entry, image)) in catalog.chunks_exact(ENTRY).zip(images).enumerate().skip(1) {
        match entry.u8(0) {
            Some(EXTENSION) if i > 1 => (),
            Some(BOOTABLE | NOT_BOOTABLE) if left > 0 => {
                left -= 1;
                *image = entry.le32(8);
            }
            Some(kind @ (HEADER | LAST_HEADER)) if left == 0 && !last => {
                left = entry.le16(2).unwrap_or(0);
                last = kind == LAST_HEADER;
            }
            Some(0) if left == 0 => break,
            _ => return false,
        }
    }
    true
}
