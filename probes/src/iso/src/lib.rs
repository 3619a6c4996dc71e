//! The iso probe: ISO 9660 (ECMA-119) with Joliet, El Torito and UDF
//! (ECMA-167) beside it, and UDF alone.
//!
//! All of them are found from the volume recognition sequence, one structure
//! a sector from byte 32768 on. The probe follows what a reader would follow
//! to mount the disk, up to the root directory and the partition; it does not
//! read directories.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod boot;
mod sequence;
mod udf;
mod volume;

use assay_probe::keys::iso as keys;
use assay_probe::{Image, Outcome, Place, Report};
use sequence::Sequence;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 16,
    cache: 2048,
    chunk: 0,
    run: crate::run,
}

/// Bytes of a sector, and of each structure of ISO 9660.
pub const SECTOR: u64 = 2048;
/// Where the sequence starts: the 16 sectors before it are the system area
/// (ECMA-119, section 6.2.1).
pub const SEQUENCE: u64 = 16 * SECTOR;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    // The predecessor of ISO 9660 has its identifier eight bytes further on.
    if image.bytes(SEQUENCE + 9, 5) == Some(b"CDROM") {
        report.finding(keys::HIGH_SIERRA, Place::new(SEQUENCE + 9, 5), []);
        return Outcome::Match;
    }
    let sequence = match Sequence::walk(image, report) {
        Some(sequence) => sequence,
        None => return Outcome::NoMatch,
    };
    let mut good = sequence.good;
    report.flag(keys::JOLIET, Place::NONE, sequence.joliet);
    report.flag(keys::EL_TORITO, Place::NONE, sequence.boot_catalog.is_some());
    report.flag(keys::UDF, Place::NONE, sequence.udf);
    if let Some(sector) = sequence.boot_catalog {
        good &= boot::check(sector, image, report);
    }
    if sequence.udf {
        good &= udf::check(image, report);
    }
    if good { Outcome::Match } else { Outcome::Malformed }
}

/// Says that the image reaches to byte `end` if the file ends before it.
fn incomplete(end: u64, place: Place, image: &Image, report: &mut Report) {
    if image.ends_before(end, 0) {
        report.finding(keys::INCOMPLETE, place, [end, image.size().unwrap_or(0)]);
    }
}
