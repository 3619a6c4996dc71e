//! The format extension (section Format Extension): a cluster of features, of
//! which the one that is defined holds a dirty bitmap. Its MD5 is not
//! computed: a reader that finds it wrong refuses the image, aloud.

use crate::header::{inside, Header, SECTOR};
use crate::Defect;
use assay_probe::keys::{self as core_keys, parallels as keys};
use assay_probe::{Bytes, Image, Place, Report};

const MAGIC: u64 = 0xab23_4cef_23dc_ea87;
const END_OF_FEATURES: u64 = 0;
const DIRTY_BITMAP: u64 = 0x2038_5fae_252c_b34a;
const HEADER: u64 = 24;
const FEATURE: u64 = 24;
const BITMAP: u64 = 32;
const L1_ENTRY: u64 = 8;
/// Features looked at.
const MAX_FEATURES: u32 = 64;

const EXT_OFF: Place = Place::new(56, 8);

/// Checks the extension, and reports what a deep run reads of it and the BAT.
pub fn check(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let mut tables = 0;
    let result = match header.ext_off {
        0 => Ok(()),
        sector => features(header, sector, image, report, &mut tables),
    };
    report.number(core_keys::METADATA_BYTES, Place::NONE, header.bat_bytes() + tables);
    result
}

/// Goes over the features and adds up the sizes of the bitmaps' tables.
fn features(header: &Header, sector: u64, image: &mut Image, report: &mut Report, tables: &mut u64) -> Result<(), Defect> {
    if !header.is_cluster(sector) {
        report.finding(keys::EXTENSION_OFFSET, EXT_OFF, [sector]);
        return Err(Defect);
    }
    let start = sector * SECTOR;
    inside(image, report, EXT_OFF, start, header.cluster())?;
    match image.bytes(start, 8).map(|b| b.le64(0)) {
        Some(Some(MAGIC)) => (),
        None => return Ok(()), // not arrived
        _ => {
            report.finding(keys::EXTENSION, Place::new(start, HEADER), [0]);
            return Err(Defect);
        }
    }
    let arriving = image.size().is_none();
    let end = start + header.cluster();
    let mut at = start + HEADER;
    let mut bitmaps = false;
    for _ in 0..MAX_FEATURES {
        let feature = if end - at < FEATURE { None } else { image.bytes(at, FEATURE as usize) };
        let (magic, flags, length) = match feature {
            Some(b) => (b.le64(0).unwrap_or(0), b.le64(8).unwrap_or(0), u64::from(b.le32(16).unwrap_or(0))),
            None if arriving => return Ok(()),
            None => break,
        };
        let place = Place::new(at, FEATURE);
        let data = at + FEATURE;
        let padded = (length + 7) & !7;
        if padded > end - data {
            break;
        }
        // Qemu's driver takes no feature with flags.
        match (magic, flags) {
            (END_OF_FEATURES, 0) => return Ok(()),
            (DIRTY_BITMAP, 0) => {
                if !bitmaps {
                    bitmaps = true;
                    report.finding(keys::PERSISTENT_BITMAPS, place, []);
                }
                bitmap(header, data, length, image, report)?;
                *tables += length;
            }
            _ => {
                report.finding(keys::UNKNOWN_EXTENSION, place, [magic]);
                return Err(Defect);
            }
        }
        at = data + padded;
    }
    report.finding(keys::EXTENSION, Place::new(at, FEATURE), [at - start]);
    Err(Defect)
}

/// Section Dirty bitmaps feature.
fn bitmap(header: &Header, data: u64, length: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let arriving = image.size().is_none();
    let fields = image.bytes(data, BITMAP as usize).filter(|_| length >= BITMAP);
    let (size, granularity, l1_size) = match fields {
        Some(b) => (b.le64(0).unwrap_or(0), b.le32(24).unwrap_or(0), u64::from(b.le32(28).unwrap_or(0))),
        None if arriving => return Ok(()),
        None => (0, 0, 0),
    };
    // A bit stands for so many sectors, a cluster holds so many bits.
    let bits = size / u64::from(granularity.max(1)) + 1;
    let clusters = bits / (8 * header.cluster()) + 1;
    let wrong = [
        (length < BITMAP, data - 8, length),
        (size != header.nb_sectors, data, size),
        (!granularity.is_power_of_two(), data + 24, granularity.into()),
        (l1_size > clusters || L1_ENTRY * l1_size > length.saturating_sub(BITMAP), data + 28, l1_size),
    ];
    for (wrong, at, value) in wrong {
        if wrong {
            report.finding(keys::BITMAP, Place::new(at, 4), [value]);
            return Err(Defect);
        }
    }
    if !image.deep() || arriving {
        return Ok(());
    }
    for index in 0..l1_size {
        let at = data + BITMAP + L1_ENTRY * index;
        // 0 and 1 stand for a cluster of such bits.
        let entry = image.bytes(at, L1_ENTRY as usize).and_then(|b| b.le64(0)).unwrap_or(0);
        if entry > 1 {
            if !header.is_cluster(entry) {
                report.finding(keys::BITMAP, Place::new(at, L1_ENTRY), [entry]);
                return Err(Defect);
            }
            inside(image, report, Place::new(at, L1_ENTRY), entry * SECTOR, header.cluster())?;
        }
    }
    Ok(())
}
