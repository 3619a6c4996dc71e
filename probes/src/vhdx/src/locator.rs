//! The parent locator (section 2.6.2.6): keys and values in UTF-16 that say
//! where the parent of a differencing disk is.

use assay_probe::keys::vhdx as keys;
use assay_probe::text::Utf8;
use assay_probe::{Bytes, Image, Place, Report, MAX_TEXT};

const HEADER: u64 = 20;
const ENTRY: u64 = 12;
/// Pairs looked at. The specification defines five keys; that there is a
/// locator is a reference without any.
const MAX_PAIRS: u16 = 16;
/// The keys whose value is a path end in this, in UTF-16: relative_path,
/// volume_path, absolute_win32_path.
const PATH: &[u8] = b"p\0a\0t\0h\0";

/// Reports the parent: every path of the locator, or that there is one. The
/// flag of the file parameters announces a parent as the locator does.
pub fn check(locator: Option<Place>, flag: Option<Place>, image: &mut Image, report: &mut Report) {
    let place = match locator.or(flag) {
        Some(place) => place,
        None => return,
    };
    let named = match locator {
        Some(item) => paths(item, image, report).unwrap_or(0),
        None => 0,
    };
    if named == 0 {
        report.reference(keys::PARENT, place, &[]);
    }
}

/// Reports the values of the keys that name a path, and returns how many.
fn paths(item: Place, image: &mut Image, report: &mut Report) -> Option<u32> {
    let count = image.bytes(item.offset, HEADER as usize)?.le16(18)?;
    let mut named = 0;
    for index in 0..u64::from(count.min(MAX_PAIRS)) {
        let entry = image.bytes(item.offset + HEADER + ENTRY * index, ENTRY as usize);
        let entry = match entry {
            Some(b) => b,
            None => break,
        };
        let (key, value) = (entry.le32(0)?, entry.le32(4)?);
        let (key_length, value_length) = (entry.le16(8)?, entry.le16(10)?);
        let ends_in_path = image.bytes(item.offset + u64::from(key), key_length.into()).map_or(false, |k| k.ends_with(PATH));
        if !ends_in_path {
            continue;
        }
        let place = Place::new(item.offset + u64::from(value), value_length.into());
        let utf16 = image.most(place.offset, usize::from(value_length).min(2 * MAX_TEXT));
        let path = Utf8::from_utf16(utf16.chunks_exact(2).map(|b| b.le16(0).unwrap_or(0)));
        report.reference(keys::PARENT, place, path.as_bytes());
        named += 1;
    }
    Some(named)
}
