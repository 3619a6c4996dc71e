//! Version 2: two binary headers, each with a JSON area behind it (sections
//! 2.1 and 2.2).

use crate::{header_cut, MAGIC};
use assay_probe::keys::luks as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};

/// Magic of the secondary header.
const SECOND_MAGIC: &[u8] = b"SKUL\xba\xbe";
/// Bytes of a binary header; the JSON area fills the rest of `hdr_size`.
const LENGTH: u64 = 4096;
/// Bytes of a binary header that have a meaning, without checksum.
const FIELDS: usize = 264;
/// Where `hdr_offset` is.
const HDR_OFFSET: usize = 256;
/// Both values of `hdr_size` in section 2.2 that a signature reaches.
const ORPHANS: [u64; 2] = [16 << 10, 32 << 10];

/// The fields that both headers must have alike.
#[derive(PartialEq)]
struct Header {
    size: u64,
    sequence: u64,
    uuid: [u8; 40],
}

impl Header {
    /// Reads the header with the magic at an offset; `None` when it is not
    /// there, is of another version, or says that it lies elsewhere.
    fn read(image: &mut Image, at: u64, magic: &[u8]) -> Option<Header> {
        let b = image.bytes(at, FIELDS)?;
        if b.get(..magic.len())? != magic || b.be16(6)? != 2 || b.be64(HDR_OFFSET)? != at {
            return None;
        }
        Some(Header { size: b.be64(8)?, sequence: b.be64(16)?, uuid: b.array(168)? })
    }

    /// Section 2.2: 16 KiB to 4 MiB, a power of two.
    fn has_valid_size(&self) -> bool {
        self.size.is_power_of_two() && (16 << 10..=4 << 20).contains(&self.size)
    }
}

pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let place = Place::new(0, LENGTH);
    report.finding(keys::LUKS2, Place::new(6, 2), []);
    if let Some(size) = image.size().filter(|&size| size < LENGTH) {
        return header_cut(size, LENGTH, report);
    }
    report.finding(keys::ENCRYPTED, place, []);
    let first = match Header::read(image, 0, MAGIC) {
        Some(header) => header,
        None => {
            report.finding(keys::PRIMARY_HEADER, place, []);
            return Outcome::Malformed;
        }
    };
    report.number(keys::HEADER_BYTES, Place::new(8, 8), first.size);
    if !first.has_valid_size() {
        report.finding(keys::HEADER_SIZE, Place::new(8, 8), [first.size]);
        return Outcome::Malformed;
    }
    if let Some(size) = image.size().filter(|&size| size < 2 * first.size) {
        report.finding(keys::INCOMPLETE, Place::new(8, 8), [2 * first.size, size]);
        return Outcome::Malformed;
    }
    let there = image.bytes(first.size, FIELDS).is_some();
    match Header::read(image, first.size, SECOND_MAGIC) {
        Some(second) if second != first => {
            report.finding(keys::COPIES_DIFFER, Place::new(first.size, LENGTH), []);
            Outcome::Malformed
        }
        None if there => {
            report.finding(keys::SECONDARY_HEADER, Place::new(first.size, LENGTH), [first.size]);
            Outcome::Malformed
        }
        _ => Outcome::Match,
    }
}

/// A secondary header whose primary is gone: readers that know version 2
/// restore the volume from it. A disk that was partitioned since is what its
/// partition table says.
pub fn orphan(image: &mut Image, report: &mut Report) -> Outcome {
    let partitioned = image.head().le16(510) == Some(0xaa55);
    for at in ORPHANS {
        let second = Header::read(image, at, SECOND_MAGIC);
        if second.map_or(false, |h| h.size == at) && !partitioned {
            report.finding(keys::LUKS2, Place::new(at + 6, 2), []);
            report.finding(keys::PRIMARY_HEADER, Place::new(0, LENGTH), []);
            return Outcome::Malformed;
        }
    }
    Outcome::NoMatch
}
