//! The trailer: 512 bytes at the end, or, in images of early tools, at the
//! start.

use assay_probe::keys::dmg as keys;
use assay_probe::{Bytes, Image, Place, Report};

const MAGIC: &[u8] = b"koly";
/// Bytes of the trailer.
pub const LENGTH: u64 = 512;
const VERSION: u32 = 4;
/// How far from the end it is looked for. qemu looks in the last 1023 bytes.
const TAIL: u64 = 4096;

/// The fields that tell a trailer: magic, version, size of the header.
const FIRST: usize = 12;

/// Finds the last trailer with a valid header, or the last of which version or
/// size are right. The four letters alone could be any text.
fn locate(bytes: &[u8]) -> Option<usize> {
    let (mut valid, mut half) = (None, None);
    let mut at = 0;
    // A loop of its own for the bytes that are nothing keeps it cheap: fuel is
    // charged for all that a loop holds.
    while let Some(n) = bytes.get(at..)?.iter().position(|b| MAGIC.first() == Some(b)) {
        at += n;
        let b = bytes.get(at..at + FIRST).unwrap_or_default();
        if b.starts_with(MAGIC) {
            match is_header(b.be32(4)?, b.be32(8)?) {
                (true, true) => valid = Some(at),
                (false, false) => (),
                _ => half = Some(at),
            }
        }
        at += 1;
    }
    valid.or(half)
}

fn is_header(version: u32, size: u32) -> (bool, bool) {
    (version == VERSION, u64::from(size) == LENGTH)
}

/// Whether the file ends within the fields that would tell a trailer at its
/// start from a text.
fn is_cut(image: &Image) -> bool {
    image.ends_before(0, FIRST as u64) && image.head().starts_with(MAGIC)
}

/// The fields that say where the image's parts are.
pub struct Trailer {
    at: u64,
    pub version: u32,
    pub header_size: u32,
    pub segments: u32,
    pub sectors: u64,
}

impl Trailer {
    /// Finds the trailer: in the tail of the file, else at its start.
    pub fn find(image: &mut Image) -> Option<Trailer> {
        let tail = image.size().unwrap_or(0).saturating_sub(TAIL);
        let length = image.size().map_or(0, |size| size - tail) as usize;
        let at = match locate(image.most(tail, length)) {
            Some(at) => tail + at as u64,
            None if is_cut(image) => 0,
            None => locate(image.head().get(..FIRST)?)? as u64,
        };
        let b = image.most(at, LENGTH as usize);
        Some(Trailer {
            at,
            version: b.be32(4).unwrap_or(0),
            header_size: b.be32(8).unwrap_or(0),
            segments: b.be32(60).unwrap_or(0),
            sectors: b.be64(492).unwrap_or(0),
        })
    }

    pub fn has_valid_header(&self) -> bool {
        is_header(self.version, self.header_size) == (true, true)
    }

    /// The place of a field.
    pub fn place(&self, field: u64, length: u64) -> Place {
        Place::new(self.at + field, length)
    }

    /// The trailer is whole, and nothing follows it.
    pub fn check_place(&self, image: &Image, report: &mut Report) -> bool {
        let end = self.at + LENGTH;
        if image.ends_before(self.at, LENGTH) {
            report.finding(keys::TRAILER_CUT, self.place(0, LENGTH), [end, image.size().unwrap_or(0)]);
            return false;
        }
        let behind = image.size().map_or(0, |size| size - end);
        if self.at != 0 && behind != 0 {
            report.finding(keys::TRAILING_BYTES, self.place(0, LENGTH), [behind]);
            return false;
        }
        true
    }

    /// Data fork, resource fork and property list lie before the trailer (or,
    /// where that is at the start, in the file), and one of the last two is
    /// there to map the first.
    pub fn check_ranges(&self, image: &mut Image, report: &mut Report) -> bool {
        let limit = if self.at == 0 { image.size().unwrap_or(u64::MAX) } else { self.at };
        let mut good = true;
        let mut maps = 0;
        for field in [24, 40, 216] {
            let b = image.most(self.at + field, 16);
            let (start, length) = (b.be64(0).unwrap_or(0), b.be64(8).unwrap_or(0));
            if field != 24 {
                maps |= length;
            }
            let end = start.saturating_add(length);
            if end > limit {
                report.finding(keys::INCOMPLETE, self.place(field, 16), [end, limit]);
                good = false;
            }
        }
        if maps == 0 {
            report.finding(keys::NO_MAP, self.place(40, 16), []);
            good = false;
        }
        good
    }
}
