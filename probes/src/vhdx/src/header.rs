//! The two headers (section 2.2.2), of which the one with the higher sequence
//! number is current.

use crate::extent::Extent;
use crate::guid::{self, Guid};
use crate::{Defect, CRC32C};
use assay_probe::crc32::Crc32;
use assay_probe::keys::vhdx as keys;
use assay_probe::{Bytes, Image, Place, Report};

const OFFSETS: [u64; 2] = [64 << 10, 128 << 10];
/// Bytes the checksum covers.
const LENGTH: usize = 4096;
/// Bytes of the header that have a meaning.
const FIELDS: usize = 80;
const SIGNATURE: &[u8] = b"head";
const CHECKSUM: usize = 4;
const VERSION: u16 = 1;
const LOG_VERSION: u16 = 0;

/// The fields of a header, by the names of the specification.
#[derive(Clone, Copy)]
pub struct Header {
    /// Offset of the header.
    at: u64,
    sequence_number: u64,
    log_guid: Guid,
    log_version: u16,
    version: u16,
    pub log: Extent,
    /// CRC of the fields behind the checksum, to compare headers by.
    fields: u32,
}

impl Header {
    /// Finds the current header; `None` when the headers have not arrived.
    ///
    /// Readers take the other header when one is damaged. An image that was
    /// closed has two good ones, so that a damaged one is a defect.
    pub fn current(image: &mut Image, report: &mut Report) -> Result<Option<Header>, Defect> {
        let (first, second) = match (Header::read(image, OFFSETS[0]), Header::read(image, OFFSETS[1])) {
            (Some(first), Some(second)) => (first, second),
            (_, _) if image.size().is_none() => return Ok(None),
            (first, second) => {
                for (number, header) in [first, second].iter().enumerate() {
                    if header.is_none() {
                        let at = OFFSETS.get(number).copied().unwrap_or(0);
                        report.finding(keys::HEADER, Place::new(at, LENGTH as u64), [number as u64 + 1, 2]);
                    }
                }
                return Err(Defect);
            }
        };
        if first.sequence_number == second.sequence_number && first.fields != second.fields {
            let place = Place::new(second.at + 8, 8);
            report.finding(keys::HEADERS_DIFFER, place, [second.sequence_number]);
            return Err(Defect);
        }
        Ok(Some(if second.sequence_number > first.sequence_number { second } else { first }))
    }

    /// Reads the header at an offset if its signature and checksum hold.
    fn read(image: &mut Image, at: u64) -> Option<Header> {
        let b = image.bytes(at, LENGTH)?;
        if b.get(..4)? != SIGNATURE || checksum(b)? != b.le32(CHECKSUM)? {
            return None;
        }
        let mut fields = Crc32::new(&CRC32C);
        fields.update(b.get(CHECKSUM + 4..FIELDS)?);
        Some(Header {
            at,
            sequence_number: b.le64(8)?,
            log_guid: guid::read(b, 48)?,
            log_version: b.le16(64)?,
            version: b.le16(66)?,
            log: Extent { length: b.le32(68)?.into(), offset: b.le64(72)? },
            fields: fields.value(),
        })
    }

    fn field(&self, at: u64, length: u64) -> Place {
        Place::new(self.at + at, length)
    }

    /// Reports the version and the log. The log is not replayed: it can
    /// change any structure, the BAT and the metadata included.
    pub fn check(&self, image: &Image, report: &mut Report) -> Result<(), Defect> {
        report.number(keys::LOG_BYTES, self.field(68, 4), self.log.length);
        if self.version != VERSION {
            report.finding(keys::UNKNOWN_VERSION, self.field(66, 2), [self.version.into(), VERSION.into()]);
            return Err(Defect);
        }
        if self.log_guid != guid::ZERO {
            report.finding(keys::LOG, self.field(48, 16), []);
        }
        if self.log_version != LOG_VERSION {
            report.finding(keys::UNKNOWN_LOG_VERSION, self.field(64, 2), [self.log_version.into(), LOG_VERSION.into()]);
            return Err(Defect);
        }
        self.log.check(image, report, keys::LOG_PLACE, self.field(68, 12))
    }
}

/// CRC-32C of a header or table, its own field taken as zero.
fn checksum(b: &[u8]) -> Option<u32> {
    let mut crc = Crc32::new(&CRC32C);
    crc.update(b.get(..CHECKSUM)?);
    crc.update(&[0; 4]);
    crc.update(b.get(CHECKSUM + 4..)?);
    Some(crc.value())
}
