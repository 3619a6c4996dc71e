//! The bochs probe: growing and redo log images of Bochs (its sources,
//! iodev/hdimage/hdimage.h, redolog_header_t), little-endian. The bounds are
//! those of qemu's driver, which opens the growing ones.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::{self as core_keys, bochs as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 16,
    chunk: 0,
    run: crate::run,
}

const MAGIC: &[u8] = b"Bochs Virtual HD Image\0";
const LENGTH: u64 = 512;

/// Fields of the header.
const TYPE: Place = Place { offset: 32, length: 16 };
const SUBTYPE: Place = Place { offset: 48, length: 16 };
const VERSION: Place = Place { offset: 64, length: 4 };
const HEADER: Place = Place { offset: 68, length: 4 };
const CATALOG: Place = Place { offset: 72, length: 4 };
const BITMAP: Place = Place { offset: 76, length: 4 };
const EXTENT: Place = Place { offset: 80, length: 4 };
/// The disk's size, by version.
const DISK_1: Place = Place { offset: 84, length: 8 };
const DISK_2: Place = Place { offset: 88, length: 8 };

const VERSION_1: u32 = 0x0001_0000;
const VERSION_2: u32 = 0x0002_0000;
const MAX_CATALOG: u32 = 0x0010_0000;
const EXTENTS: core::ops::RangeInclusive<u32> = 512..=0x0080_0000;
const SECTOR: u32 = 512;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if !head.starts_with(MAGIC) {
        return Outcome::NoMatch;
    }
    report.finding(keys::UNSUPPORTED, Place::new(0, MAGIC.len() as u64), []);
    // A redo log holds what differs from a disk in another file.
    let subtype = text(head, SUBTYPE);
    if matches!(subtype, b"Undoable" | b"Volatile") {
        report.reference(keys::BASE, SUBTYPE, b"");
    }
    if let Some(size) = image.size().filter(|&size| size < LENGTH) {
        report.finding(keys::HEADER_CUT, Place::new(0, size), [size, LENGTH]);
        return Outcome::Malformed;
    }
    if text(head, TYPE) != b"Redolog" || !matches!(subtype, b"Growing" | b"Undoable" | b"Volatile") {
        report.finding(keys::KIND, Place::new(TYPE.offset, TYPE.length + SUBTYPE.length), []);
        return Outcome::Malformed;
    }
    match fields(head, image, report) {
        Ok(size) => {
            report.number(core_keys::VIRTUAL_SIZE, Place::NONE, size);
            Outcome::Match
        }
        Err((place, value)) => {
            report.finding(keys::HEADER, place, [value]);
            Outcome::Malformed
        }
    }
}

/// The bytes of a field up to its first NUL.
fn text(head: &[u8], place: Place) -> &[u8] {
    let field = head.get(place.offset as usize..(place.offset + place.length) as usize).unwrap_or_default();
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// Returns the size of the disk, or the first field that no valid header has.
fn fields(head: &[u8], image: &Image, report: &mut Report) -> Result<u64, (Place, u64)> {
    let number = |place: Place| head.le32(place.offset as usize).unwrap_or(0);
    let (version, header, catalog) = (number(VERSION), number(HEADER), number(CATALOG));
    let (bitmap, extent) = (number(BITMAP), number(EXTENT));
    let disk = match version {
        VERSION_1 => DISK_1,
        VERSION_2 => DISK_2,
        _ => return Err((VERSION, version.into())),
    };
    if u64::from(header) < LENGTH {
        return Err((HEADER, header.into()));
    }
    if catalog > MAX_CATALOG {
        return Err((CATALOG, catalog.into()));
    }
    if !EXTENTS.contains(&extent) || !extent.is_power_of_two() {
        return Err((EXTENT, extent.into()));
    }
    // A bit for each sector of an extent.
    if bitmap < extent / SECTOR / 8 || bitmap == 0 {
        return Err((BITMAP, bitmap.into()));
    }
    let size = head.le64(disk.offset as usize).unwrap_or(0) & !u64::from(SECTOR - 1);
    // At most 2^20 * 2^23.
    if size > u64::from(catalog) * u64::from(extent) {
        return Err((disk, size));
    }
    let end = u64::from(header) + 4 * u64::from(catalog);
    if image.ends_before(end, 0) {
        report.finding(keys::INCOMPLETE, CATALOG, [end, image.size().unwrap_or(0)]);
    }
    Ok(size)
}
