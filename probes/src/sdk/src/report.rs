//! What a probe says: records of a key, a place in the file, and a value.

use crate::host;

/// Key of a property with a number.
#[derive(Clone, Copy)]
pub struct Number(pub u16);

/// Key of a property that is true or false.
#[derive(Clone, Copy)]
pub struct Flag(pub u16);

/// Key of a property with bytes from the image.
#[derive(Clone, Copy)]
pub struct Text(pub u16);

/// Key of something outside the image that opening it would pull in.
#[derive(Clone, Copy)]
pub struct Reference(pub u16);

/// Key of a defect or a notable fact.
#[derive(Clone, Copy)]
pub struct Finding(pub u16);

/// Where in the file a fact was read, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub offset: u64,
    pub length: u64,
}

impl Place {
    /// Stands for a fact that was not read in one place.
    pub const NONE: Place = Place { offset: u64::MAX, length: 0 };

    /// A place of `length` bytes from `offset` on, cut where offsets end.
    pub const fn new(offset: u64, length: u64) -> Self {
        let room = u64::MAX - offset;
        Place { offset, length: if length < room { length } else { room } }
    }
}

/// Longest text or target that is reported, in bytes; the rest is left out.
pub const MAX_TEXT: usize = 1024;

/// Collects records and hands them to the host in few calls, the last when it
/// is dropped.
pub struct Report<'m> {
    buf: &'m mut [u8],
    len: usize,
}

/// Header and place of a record (docs/abi.md, "Records").
const RECORD: usize = 20;

impl<'m> Report<'m> {
    /// A report that gathers records in buf.
    pub fn new(buf: &'m mut [u8]) -> Self {
        Report { buf, len: 0 }
    }

    /// Reports a number; once a run for each key.
    pub fn number(&mut self, key: Number, place: Place, value: u64) {
        self.values(key.0, place.offset, place.length, 1, value, 0);
    }

    /// Reports a flag; once a run for each key.
    pub fn flag(&mut self, key: Flag, place: Place, value: bool) {
        self.values(key.0, place.offset, place.length, 1, value.into(), 0);
    }

    /// Reports bytes of the image; once a run for each key.
    pub fn text(&mut self, key: Text, place: Place, value: &[u8]) {
        self.bytes(key.0, place, value);
    }

    /// Reports a reference with its target, which may be empty.
    pub fn reference(&mut self, key: Reference, place: Place, target: &[u8]) {
        self.bytes(key.0, place, target);
    }

    /// Reports a finding with up to two numbers, for {value} and {limit} of
    /// its message.
    #[inline(always)]
    pub fn finding<const N: usize>(&mut self, key: Finding, place: Place, values: [u64; N]) {
        let (first, second) = (values.first().copied(), values.get(1).copied());
        self.values(key.0, place.offset, place.length, N, first.unwrap_or(0), second.unwrap_or(0));
    }

    /// One function with plain numbers for all records with numbers, so that a
    /// place that reports one is a call and nothing else.
    #[inline(never)]
    fn values(&mut self, key: u16, offset: u64, length: u64, count: usize, first: u64, second: u64) {
        let count = count.min(2);
        self.start(key, offset, length, 8 * count);
        for value in [first, second].into_iter().take(count) {
            self.append(&value.to_le_bytes());
        }
    }

    #[inline(never)]
    fn bytes(&mut self, key: u16, place: Place, bytes: &[u8]) {
        let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
        self.start(key, place.offset, place.length, bytes.len());
        self.append(bytes);
    }

    fn start(&mut self, key: u16, offset: u64, length: u64, body: usize) {
        let length_of_record = (RECORD - 4 + body) as u64;
        self.append(&(u64::from(key) | length_of_record << 16).to_le_bytes()[..4]);
        self.append(&offset.to_le_bytes());
        self.append(&length.to_le_bytes());
    }

    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        if bytes.len() > self.buf.len() - self.len {
            self.flush();
        }
        match self.buf.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => {
                // Byte by byte: records are short, and copy_from_slice has a
                // panic location of its own.
                for (to, from) in room.iter_mut().zip(bytes) {
                    *to = *from;
                }
                self.len += bytes.len();
            }
            None => host::report(bytes),
        }
    }

    fn flush(&mut self) {
        if let Some(records) = self.buf.get(..self.len).filter(|r| !r.is_empty()) {
            host::report(records);
        }
        self.len = 0;
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;

    #[test]
    fn records() {
        let mut want = vec![];
        want.extend(b"\x01\x00\x18\x00\x18\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x00\x02\0\0\0\0\0\0");
        want.extend(b"\x02\x00\x18\x00\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
        want.extend(b"\x03\x00\x14\x00\x08\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0base");
        want.extend(b"\x04\x00\x10\x00\x08\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0");
        want.extend(b"\x05\x00\x20\x00\x08\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0");
        for size in [0, 1, 7, 30, 100, 512] {
            native::load(&[]);
            let mut buf = vec![0; size];
            let mut r = Report::new(&mut buf);
            r.number(Number(1), Place::new(24, 8), 512);
            r.flag(Flag(2), Place::NONE, true);
            r.text(Text(3), Place::new(8, 4), b"base");
            r.reference(Reference(4), Place::new(8, 12), b"");
            r.finding(Finding(5), Place::new(8, 4), [3, 4]);
            drop(r);
            assert_eq!(native::records(), want, "buffer of {size} bytes");
        }
    }

    #[test]
    fn long_text_is_cut() {
        native::load(&[]);
        let mut buf = [0; 64];
        Report::new(&mut buf).text(Text(1), Place::NONE, &[b'x'; MAX_TEXT + 1]);
        assert_eq!(native::records().len(), RECORD + MAX_TEXT);
    }

    #[test]
    fn place_ends_where_offsets_end() {
        assert_eq!(Place::new(u64::MAX - 3, 8).length, 3);
        assert_eq!(Place::new(8, u64::MAX).length, u64::MAX - 8);
    }
}
