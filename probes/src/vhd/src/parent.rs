//! What a disk says of a parent (section Dynamic Disk Header Format): an
//! identifier, a name, and up to eight locators. A disk that is not
//! differencing must have none of them, and one that is has a parent also
//! when all of them are empty.

use crate::dynamic;
use assay_probe::keys::vhd as keys;
use assay_probe::text::{self, Utf8};
use assay_probe::{Bytes, Image, Place, Report, MAX_TEXT};

const UNIQUE_ID: u64 = 40;
const NAME: u64 = 64;
const NAME_LENGTH: u64 = 512;
const LOCATORS: u64 = 576;
const LOCATOR_LENGTH: u64 = 24;
const LOCATOR_COUNT: u64 = 8;

/// Platform codes whose data is UTF-16, little-endian: an absolute and a
/// relative path.
const W2KU: u32 = u32::from_be_bytes(*b"W2ku");
const W2RU: u32 = u32::from_be_bytes(*b"W2ru");

/// Reports everything that the header at an offset says of a parent.
pub fn check(header: u64, differencing: bool, image: &mut Image, report: &mut Report) {
    let place = |offset: u64, length: u64| Place::new(header.saturating_add(offset), length);
    if image.bytes(header, dynamic::COOKIE.len()) != Some(dynamic::COOKIE) {
        if differencing {
            report.reference(keys::PARENT, place(UNIQUE_ID, 16), &[]);
        }
        return;
    }
    let id: Option<[u8; 16]> = image.bytes(header.saturating_add(UNIQUE_ID), 16).and_then(|b| b.array(0));
    match id.filter(|id| *id != [0; 16]) {
        Some(id) => {
            let id = text::uuid(&id);
            report.text(keys::PARENT_UNIQUE_ID, place(UNIQUE_ID, 16), &id);
            report.reference(keys::PARENT, place(UNIQUE_ID, 16), &id);
        }
        None if differencing => report.reference(keys::PARENT, place(UNIQUE_ID, 16), &[]),
        None => (),
    }
    let name = image.bytes(header.saturating_add(NAME), NAME_LENGTH as usize).unwrap_or_default();
    if name.iter().any(|&b| b != 0) {
        let units = name.chunks_exact(2).map(|unit| unit.be16(0).unwrap_or(0));
        report.reference(keys::PARENT_NAME, place(NAME, NAME_LENGTH), Utf8::from_utf16(units).as_bytes());
    }
    for index in 0..LOCATOR_COUNT {
        let place = place(LOCATORS + LOCATOR_LENGTH * index, LOCATOR_LENGTH);
        locator(place, image, report);
    }
}

/// Reports the locator at a place, unless all of it is zero. How its fields
/// fit together does not matter: whatever can be read of the target is shown.
fn locator(place: Place, image: &mut Image, report: &mut Report) {
    let entry = image.bytes(place.offset, LOCATOR_LENGTH as usize).unwrap_or_default();
    if entry.iter().all(|&b| b == 0) {
        return;
    }
    let (code, length, offset) = (entry.be32(0), entry.be32(8).unwrap_or(0), entry.be64(16).unwrap_or(0));
    let data = image.most(offset, length.min(MAX_TEXT as u32) as usize);
    match code {
        Some(W2KU | W2RU) => {
            let units = data.chunks_exact(2).map(|unit| unit.le16(0).unwrap_or(0));
            report.reference(keys::PARENT_LOCATOR, place, Utf8::from_utf16(units).as_bytes());
        }
        _ => report.reference(keys::PARENT_LOCATOR, place, text::without_zeros(data)),
    }
}
