//! Bytes of the image as text: identifiers and names.

/// A UUID takes this many characters.
const UUID: usize = 36;

/// An identifier as a UUID, its bytes in the order of the digits.
pub fn uuid(id: &[u8; 16]) -> [u8; UUID] {
    let mut text = [b'-'; UUID];
    let places = text.iter_mut().enumerate().filter(|(at, _)| !matches!(at, 8 | 13 | 18 | 23));
    let digits = id.iter().flat_map(|b| [b >> 4, b & 15]);
    for ((_, place), digit) in places.zip(digits) {
        *place = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
    }
    text
}

/// A GUID as Microsoft and VirtualBox write it, its first three numbers
/// little-endian, as a UUID.
pub fn guid(id: &[u8; 16]) -> [u8; UUID] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *id;
    let [i, j, k, l, m, n, o, p] = rest;
    uuid(&[d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
}

/// The bytes without zeros at their end.
pub fn without_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Text as UTF-8, cut where a report would cut it.
pub struct Utf8 {
    bytes: [u8; crate::MAX_TEXT],
    len: usize,
}

impl Utf8 {
    /// Text from UTF-16 code units without zeros at its end; what is no
    /// character becomes U+FFFD.
    pub fn from_utf16(units: impl Iterator<Item = u16>) -> Self {
        let mut text = Utf8 { bytes: [0; crate::MAX_TEXT], len: 0 };
        for c in char::decode_utf16(units) {
            if !text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER)) {
                break;
            }
        }
        text
    }

    /// The text's bytes, without zeros at their end.
    pub fn as_bytes(&self) -> &[u8] {
        without_zeros(self.bytes.get(..self.len).unwrap_or_default())
    }

    /// Appends a character when there is room for it.
    fn push(&mut self, c: char) -> bool {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        if rest.len() < c.len_utf8() {
            return false;
        }
        self.len += c.encode_utf8(rest).len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids() {
        let id = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
        assert_eq!(&uuid(&id), b"01234567-89ab-cdef-fedc-ba9876543210");
    }

    #[test]
    fn guids() {
        let id = [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 8];
        assert_eq!(&guid(&id), b"2dc27766-f623-4200-9d64-115e9bfd4a08");
    }

    #[test]
    fn utf16() {
        for (units, want) in [
            (&[][..], ""),
            (&[0, 0], ""),
            (&[0x61, 0, 0x62, 0], "a\0b"),
            (&[0xe9, 0x4e2d, 0xd83d, 0xdcbe], "é中💾"),
            (&[0xd83d, 0x61], "\u{fffd}a"),
            (&[0xdcbe], "\u{fffd}"),
        ] {
            assert_eq!(Utf8::from_utf16(units.iter().copied()).as_bytes(), want.as_bytes(), "{units:x?}");
        }
        let long = Utf8::from_utf16(core::iter::repeat(0x4e2d).take(512));
        assert_eq!(long.as_bytes(), "中".repeat(341).as_bytes());
    }
}
