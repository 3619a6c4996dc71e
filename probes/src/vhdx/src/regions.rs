//! The region table (section 2.2.3) and its copy.

use crate::extent::Extent;
use crate::guid::{self, Guid};
use crate::header::Header;
use crate::{Defect, CRC32C};
use assay_probe::crc32::Crc32;
use assay_probe::keys::vhdx as keys;
use assay_probe::{Bytes, Image, Place, Report};

const OFFSET: u64 = 192 << 10;
const COPY_OFFSET: u64 = 256 << 10;
/// Bytes the checksum covers.
const LENGTH: u64 = 64 << 10;
const SIGNATURE: &[u8] = b"regi";
const CHECKSUM: usize = 4;
const HEADER: u64 = 16;
const ENTRY: u64 = 32;
const MAX_ENTRIES: u32 = 2047;
/// Entries looked at. The specification defines two regions, and no program
/// is known to write others.
const MAX_LOOKED_AT: u32 = 256;
const REQUIRED: u32 = 1;
/// Bytes compared at a time.
const PIECE: usize = 4096;

/// Where the regions are that the specification defines.
#[derive(Default)]
pub struct Regions {
    pub bat: Extent,
    pub metadata: Extent,
    bats: u64,
    metadatas: u64,
    unknown_optional: bool,
}

/// One entry of the table.
struct Entry {
    guid: Guid,
    extent: Extent,
    required: bool,
    at: u64,
}

impl Entry {
    fn read(image: &mut Image, at: u64) -> Option<Entry> {
        let b = image.bytes(at, ENTRY as usize)?;
        Some(Entry {
            guid: guid::read(b, 0)?,
            extent: Extent { offset: b.le64(16)?, length: b.le32(24)?.into() },
            required: b.le32(28)? & REQUIRED != 0,
            at,
        })
    }

    fn place(&self) -> Place {
        Place::new(self.at + 16, 12)
    }
}

impl Regions {
    /// Reads the table; `None` when it has not arrived.
    pub fn read(header: &Header, image: &mut Image, report: &mut Report) -> Result<Option<Regions>, Defect> {
        let count = match count(image) {
            Some(count) => count,
            None if image.size().is_none() => return Ok(None),
            None => {
                report.finding(keys::REGION_TABLE, Place::new(OFFSET, HEADER), [OFFSET]);
                return Err(Defect);
            }
        };
        let used = HEADER + ENTRY * u64::from(count);
        if count > MAX_LOOKED_AT {
            report.finding(keys::TOO_MANY_REGIONS, Place::new(OFFSET + 8, 4), [count.into(), MAX_LOOKED_AT.into()]);
            return Err(Defect);
        }
        if let Some(at) = first_difference(image, used) {
            if image.size().is_none() {
                return Ok(None);
            }
            report.finding(keys::REGION_TABLES_DIFFER, Place::new(COPY_OFFSET + at, PIECE as u64), [COPY_OFFSET + at]);
            return Err(Defect);
        }
        let mut regions = Regions::default();
        regions.find(count, image, report)?;
        if (regions.bats, regions.metadatas) != (1, 1) {
            report.finding(keys::REGIONS, Place::new(OFFSET, used), [regions.bats, regions.metadatas]);
            return Err(Defect);
        }
        regions.apart(count, header, image, report)?;
        Ok(Some(regions))
    }

    /// Goes over the entries and keeps the BAT's and the metadata's.
    fn find(&mut self, count: u32, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        for index in 0..u64::from(count) {
            let entry = Entry::read(image, OFFSET + HEADER + ENTRY * index).ok_or(Defect)?;
            if entry.guid == guid::BAT && self.bats == 0 {
                report.number(keys::BAT_BYTES, Place::new(entry.at + 24, 4), entry.extent.length);
            }
            entry.extent.check(image, report, keys::REGION_PLACE, entry.place())?;
            match entry.guid {
                guid::BAT => {
                    self.bats += 1;
                    self.bat = entry.extent;
                }
                guid::METADATA => {
                    self.metadatas += 1;
                    self.metadata = entry.extent;
                }
                _ if entry.required => {
                    report.finding(keys::UNKNOWN_REGION, Place::new(entry.at, ENTRY), [entry.extent.offset]);
                    return Err(Defect);
                }
                _ if !self.unknown_optional => {
                    self.unknown_optional = true;
                    report.finding(keys::UNKNOWN_OPTIONAL_REGION, Place::new(entry.at, ENTRY), [entry.extent.offset]);
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// Reports a region that shares bytes with the log, the BAT or the
    /// metadata. What unknown regions do to each other nobody sees.
    fn apart(&self, count: u32, header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        for index in 0..u64::from(count) {
            let entry = Entry::read(image, OFFSET + HEADER + ENTRY * index).ok_or(Defect)?;
            let extent = entry.extent;
            let over_bat = entry.guid != guid::BAT && extent.overlaps(&self.bat);
            let over_metadata = entry.guid != guid::METADATA && extent.overlaps(&self.metadata);
            // A log out of reach is reported with the header.
            let over_log = header.log.offset <= i64::MAX as u64 && extent.overlaps(&header.log);
            if over_bat || over_metadata || over_log {
                report.finding(keys::OVERLAP, entry.place(), [extent.offset]);
                return Err(Defect);
            }
        }
        Ok(())
    }

    /// Whether an extent lies over the BAT or the metadata.
    pub fn over(&self, extent: &Extent) -> bool {
        extent.overlaps(&self.bat) || extent.overlaps(&self.metadata)
    }
}

/// The number of entries of a table whose signature and checksum hold.
fn count(image: &mut Image) -> Option<u32> {
    let mut crc = Crc32::new(&CRC32C);
    let (mut count, mut stored, mut done) = (0, 0, 0);
    while done < LENGTH {
        let chunk = image.chunk(OFFSET + done, LENGTH - done);
        if chunk.is_empty() {
            return None;
        }
        let mut rest = chunk;
        if done == 0 {
            if chunk.get(..4)? != SIGNATURE {
                return None;
            }
            stored = chunk.le32(CHECKSUM)?;
            count = chunk.le32(8)?;
            crc.update(chunk.get(..CHECKSUM)?);
            crc.update(&[0; 4]);
            rest = chunk.get(CHECKSUM + 4..)?;
        }
        crc.update(rest);
        done += chunk.len() as u64;
    }
    Some(count).filter(|&n| n <= MAX_ENTRIES && crc.value() == stored)
}

/// Compares the table with its copy, up to `used` bytes, and returns where
/// they first differ. A copy that is the same so far, its checksum included,
/// is either valid as the table is, or damaged where no reader looks. To
/// compare checksums would not do: whoever makes an image can give two tables
/// the same.
fn first_difference(image: &mut Image, used: u64) -> Option<u64> {
    // As words, of which both header and entries have whole ones.
    let mut words = [0; PIECE / 8];
    let mut done = 0;
    while done < used {
        let length = (PIECE as u64).min(used - done);
        let ours = image.chunk(OFFSET + done, length).chunks_exact(8);
        for (word, raw) in words.iter_mut().zip(ours) {
            *word = raw.le64(0).unwrap_or(0);
        }
        let copy = image.chunk(COPY_OFFSET + done, length);
        let same = copy.chunks_exact(8).zip(words).all(|(raw, word)| raw.le64(0) == Some(word));
        if copy.len() as u64 != length || !same {
            return Some(done);
        }
        done += length;
    }
    None
}
