//! The parent locator (section 2.6.2.6): keys and values in UTF-16 that say
//! where the parent of a differencing disk is.

use assay_probe::keys::vhdx as keys;
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
        let mut text = Text::new();
        text.decode(image.most(place.offset, usize::from(value_length).min(2 * MAX_TEXT)));
        report.reference(keys::PARENT, place, text.bytes());
        named += 1;
    }
    Some(named)
}

/// Text in UTF-8 made of UTF-16, cut where a report would cut it.
struct Text {
    buf: [u8; MAX_TEXT],
    len: usize,
}

impl Text {
    fn new() -> Self {
        Text { buf: [0; MAX_TEXT], len: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    /// Appends little-endian UTF-16. What is none becomes U+FFFD.
    fn decode(&mut self, utf16: &[u8]) {
        let units = utf16.chunks_exact(2).map(|b| b.le16(0).unwrap_or(0));
        for c in char::decode_utf16(units) {
            let c = u32::from(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            let low = |shift: u32| 0x80 | (c >> shift & 0x3f) as u8;
            match c {
                0..=0x7f => self.push(&[c as u8]),
                0x80..=0x7ff => self.push(&[0xc0 | (c >> 6) as u8, low(0)]),
                0x800..=0xffff => self.push(&[0xe0 | (c >> 12) as u8, low(6), low(0)]),
                _ => self.push(&[0xf0 | (c >> 18) as u8, low(12), low(6), low(0)]),
            }
        }
    }

    /// Appends a character if all of it fits.
    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.buf.get_mut(self.len..self.len + bytes.len()) {
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
            self.len += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16() {
        for text in ["", "..\\base.vhdx", "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}"] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let mut t = Text::new();
            t.decode(&bytes);
            assert_eq!(t.bytes(), text.as_bytes());
        }
        let mut t = Text::new();
        t.decode(b"\x00\xd8a\0x");
        assert_eq!(t.bytes(), "\u{fffd}a".as_bytes(), "half a pair and half a unit");
        let mut t = Text::new();
        t.decode(&[0x41; 4 * MAX_TEXT]);
        assert!(t.bytes().len() > MAX_TEXT - 4 && t.bytes().len() <= MAX_TEXT);
    }
}
