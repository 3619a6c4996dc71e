//! The dmg probe: Apple's Universal Disk Image Format. Apple has published no
//! specification; the fields are those of the trailer as qemu's driver dmg and
//! hdiutil read it, all big-endian.
//!
//! The format is recognized, not opened: what the trailer points to is checked
//! against the file, and not followed.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod trailer;

use assay_probe::keys::{self as core_keys, dmg as keys};
use assay_probe::{Image, Outcome, Place, Report};
use trailer::Trailer;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 4096,
    chunk: 0,
    run: crate::run,
}

/// Signatures of encrypted images: the second version has it at the start, the
/// first at the end.
const ENCRYPTED: &[u8] = b"encrcdsa";
const ENCRYPTED_V1: &[u8] = b"cdsaencr";

/// Largest number of sectors whose bytes an offset can count.
const MAX_SECTORS: u64 = i64::MAX as u64 / 512;

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    if let Some(at) = encrypted(image) {
        let place = Place::new(at, 8);
        report.finding(keys::UNSUPPORTED, place, []);
        report.finding(keys::ENCRYPTED, place, []);
        return Outcome::Malformed;
    }
    let t = match Trailer::find(image) {
        Some(trailer) => trailer,
        None => return Outcome::NoMatch,
    };
    report.finding(keys::UNSUPPORTED, t.place(0, trailer::LENGTH), []);
    if t.segments > 1 {
        report.reference(keys::SEGMENTS, t.place(56, 8), b"");
    }
    report.number(keys::SEGMENT_COUNT, t.place(60, 4), t.segments.into());
    let mut good = true;
    if !t.has_valid_header() {
        report.finding(keys::TRAILER, t.place(4, 8), [t.version.into(), t.header_size.into()]);
        good = false;
    }
    good &= t.check_place(image, report);
    good &= t.check_ranges(image, report);
    if t.sectors > MAX_SECTORS {
        report.finding(keys::SECTOR_COUNT, t.place(492, 8), [t.sectors, MAX_SECTORS]);
        good = false;
    } else {
        report.number(core_keys::VIRTUAL_SIZE, t.place(492, 8), t.sectors * 512);
    }
    if good { Outcome::Match } else { Outcome::Malformed }
}

/// Where the signature of an encrypted image is.
fn encrypted(image: &mut Image) -> Option<u64> {
    if image.head().starts_with(ENCRYPTED) {
        return Some(0);
    }
    let at = image.size()?.checked_sub(8)?;
    if image.bytes(at, 8)? == ENCRYPTED_V1 { Some(at) } else { None }
}
