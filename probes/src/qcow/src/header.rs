//! The header, and the name of the backing file.

use crate::Defect;
use assay_probe::keys::{self as core_keys, qcow as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report, MAX_TEXT};

const MAGIC: &[u8] = b"QFI\xfb\0\0\0\x01";
pub const LENGTH: u64 = 48;
/// The driver rounds a size down to whole sectors.
const SECTOR: u64 = 512;

const CLUSTER_BITS: core::ops::RangeInclusive<u8> = 9..=16;
const L2_BITS: core::ops::RangeInclusive<u8> = 6..=13;
/// The driver counts the bytes of the L1 table in an int.
const MAX_L1_ENTRIES: u64 = i32::MAX as u64 / ENTRY;
pub const ENTRY: u64 = 8;

const AES: u32 = 1;

const SIZE: Place = Place::new(24, 8);
const CLUSTER_BITS_FIELD: Place = Place::new(32, 1);
const L2_BITS_FIELD: Place = Place::new(33, 1);
const CRYPT_METHOD: Place = Place::new(36, 4);
const L1_TABLE_OFFSET: Place = Place::new(40, 8);

/// The fields of the header.
pub struct Header {
    backing_file_offset: u64,
    backing_file_size: u32,
    pub size: u64,
    pub cluster_bits: u8,
    l2_bits: u8,
    crypt_method: u32,
    pub l1_table_offset: u64,
}

impl Header {
    /// Reads the header, or says what the file is when there is no whole one.
    pub fn read(image: &mut Image, report: &mut Report) -> Result<Header, Outcome> {
        let head = image.head();
        if head.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(Outcome::NoMatch);
        }
        report.finding(keys::LEGACY, Place::new(0, MAGIC.len() as u64), []);
        // Before anything can be wrong with the rest: a reference is a
        // reference in a damaged image too.
        backing_file(image, report);
        match (Header::parse(head), image.size()) {
            (Some(header), _) => Ok(header),
            (None, None) => Err(Outcome::Match),
            (None, Some(size)) => {
                report.finding(keys::HEADER_CUT, Place::new(0, size), [size, LENGTH]);
                Err(Outcome::Malformed)
            }
        }
    }

    fn parse(head: &[u8]) -> Option<Header> {
        Some(Header {
            backing_file_offset: head.be64(8)?,
            backing_file_size: head.be32(16)?,
            size: head.be64(24)?,
            cluster_bits: head.u8(32)?,
            l2_bits: head.u8(33)?,
            crypt_method: head.be32(36)?,
            l1_table_offset: head.be64(40)?,
        })
    }

    /// Whether either field that announces a backing file is set.
    pub fn has_backing_file(&self) -> bool {
        self.backing_file_offset != 0 || self.backing_file_size != 0
    }

    /// Size of a cluster in bytes; only after the header was checked.
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Size of an L2 table in bytes.
    pub fn l2_bytes(&self) -> u64 {
        ENTRY << self.l2_bits
    }

    /// log2 of the bytes of the disk that an L2 table maps.
    pub fn l2_reach_bits(&self) -> u8 {
        self.cluster_bits + self.l2_bits
    }

    /// Entries of the L1 table.
    pub fn l1_entries(&self) -> u64 {
        let bits = self.l2_reach_bits();
        (self.size >> bits) + u64::from(self.size & ((1 << bits) - 1) != 0)
    }

    /// Size of the L1 table in bytes.
    pub fn l1_bytes(&self) -> u64 {
        ENTRY * self.l1_entries()
    }

    /// Reports the numbers and whether they fit together.
    pub fn check(&self, image: &Image, report: &mut Report) -> Result<(), Defect> {
        let mut result = Ok(());
        match self.crypt_method {
            0 => (),
            AES => report.finding(keys::AES, CRYPT_METHOD, []),
            other => {
                report.finding(keys::ENCRYPTION_METHOD, CRYPT_METHOD, [other.into(), AES.into()]);
                result = Err(Defect);
            }
        }
        if self.size <= i64::MAX as u64 {
            report.number(core_keys::VIRTUAL_SIZE, SIZE, self.size & !(SECTOR - 1));
        }
        if !CLUSTER_BITS.contains(&self.cluster_bits) {
            let values = [self.cluster_bits.into(), (*CLUSTER_BITS.end()).into()];
            report.finding(keys::CLUSTER_BITS, CLUSTER_BITS_FIELD, values);
            return Err(Defect);
        }
        report.number(keys::CLUSTER_SIZE, CLUSTER_BITS_FIELD, self.cluster());
        if !L2_BITS.contains(&self.l2_bits) {
            report.finding(keys::L2_BITS, L2_BITS_FIELD, [self.l2_bits.into(), (*L2_BITS.end()).into()]);
            return Err(Defect);
        }
        report.number(keys::L1_BYTES, SIZE, self.l1_bytes());
        let max_size = (MAX_L1_ENTRIES << self.l2_reach_bits()).min(i64::MAX as u64);
        if !(2..=max_size).contains(&self.size) {
            report.finding(keys::VIRTUAL_SIZE, SIZE, [self.size, max_size]);
            return Err(Defect);
        }
        let tables = self.l1_entries() * self.l2_bytes();
        report.number(core_keys::METADATA_BYTES, Place::NONE, self.l1_bytes() + tables);
        if !(LENGTH..=i64::MAX as u64 - self.l1_bytes()).contains(&self.l1_table_offset) {
            report.finding(keys::L1_OFFSET, L1_TABLE_OFFSET, [self.l1_table_offset, LENGTH]);
            return Err(Defect);
        }
        result.and(inside(image, report, L1_TABLE_OFFSET, self.l1_table_offset, self.l1_bytes()))
    }
}

/// Reports a backing file. Offset and size are two fields, and each alone
/// announces one; the name is taken from where it is said to be, whether or
/// not that is a place a reader accepts.
fn backing_file(image: &mut Image, report: &mut Report) {
    let head = image.head();
    let (offset, size) = (head.be64(8).unwrap_or(0), head.be32(16).unwrap_or(0));
    if offset != 0 {
        let name = image.most(offset, (size as usize).min(MAX_TEXT));
        report.reference(keys::BACKING_FILE, Place::new(offset, size.into()), name);
    } else if size != 0 {
        report.reference(keys::BACKING_FILE, Place::new(16, 4), &[]);
    }
}

/// Reports `incomplete` when the file ends before what a field points to.
pub fn inside(image: &Image, report: &mut Report, field: Place, offset: u64, bytes: u64) -> Result<(), Defect> {
    if image.ends_before(offset, bytes) {
        report.finding(keys::INCOMPLETE, field, [offset.saturating_add(bytes), image.size().unwrap_or(0)]);
        return Err(Defect);
    }
    Ok(())
}
