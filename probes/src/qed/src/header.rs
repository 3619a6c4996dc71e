//! The header (section Header), and the name of the backing file.

use crate::Defect;
use assay_probe::keys::{self as core_keys, qed as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report, MAX_TEXT};

const MAGIC: &[u8] = b"QED\0";
const SWAPPED_MAGIC: &[u8] = b"\0DEQ";
const LENGTH: u64 = 64;
const SECTOR: u64 = 512;

const MIN_CLUSTER: u64 = 4 << 10;
const MAX_CLUSTER: u64 = 64 << 20;
/// The specification allows tables of one cluster, the driver opens none.
const MIN_TABLE: u64 = 2;
const MAX_TABLE: u64 = 16;
pub const ENTRY: u64 = 8;

/// Bits of the field features.
const BACKING_FILE: u64 = 1 << 0;
const NEED_CHECK: u64 = 1 << 1;
const BACKING_FORMAT_NO_PROBE: u64 = 1 << 2;

const CLUSTER_SIZE: Place = Place::new(4, 4);
const TABLE_SIZE: Place = Place::new(8, 4);
const HEADER_SIZE: Place = Place::new(12, 4);
const FEATURES: Place = Place::new(16, 8);
const L1_TABLE_OFFSET: Place = Place::new(40, 8);
const IMAGE_SIZE: Place = Place::new(48, 8);
const BACKING_FILENAME_SIZE: Place = Place::new(60, 4);

/// The fields of the header, by the names of the specification.
pub struct Header {
    cluster_size: u64,
    table_size: u64,
    header_size: u64,
    features: u64,
    compat_features: u64,
    autoclear_features: u64,
    pub l1_table_offset: u64,
    pub image_size: u64,
    backing_filename_size: u32,
}

impl Header {
    /// Reads the header, or says what the file is when there is no whole one.
    pub fn read(image: &mut Image, report: &mut Report) -> Result<Header, Outcome> {
        let head = image.head();
        match head.get(..4) {
            Some(MAGIC) => (),
            Some(SWAPPED_MAGIC) => {
                report.finding(keys::WRONG_ENDIAN, Place::new(0, 4), []);
                return Err(Outcome::Malformed);
            }
            _ => return Err(Outcome::NoMatch),
        }
        report.finding(keys::LEGACY, Place::new(0, 4), []);
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
            cluster_size: head.le32(4)?.into(),
            table_size: head.le32(8)?.into(),
            header_size: head.le32(12)?.into(),
            features: head.le64(16)?,
            compat_features: head.le64(24)?,
            autoclear_features: head.le64(32)?,
            l1_table_offset: head.le64(40)?,
            image_size: head.le64(48)?,
            backing_filename_size: head.le32(60)?,
        })
    }

    /// Whether either field that announces a backing file is set.
    pub fn has_backing_file(&self) -> bool {
        self.features & BACKING_FILE != 0 || self.backing_filename_size != 0
    }

    pub fn cluster(&self) -> u64 {
        self.cluster_size
    }

    /// Size of a table in bytes; the header was checked.
    pub fn table_bytes(&self) -> u64 {
        self.table_size * self.cluster_size
    }

    /// Size of the header in bytes.
    pub fn header_bytes(&self) -> u64 {
        self.header_size * self.cluster_size
    }

    /// Bytes of the disk that an L2 table maps: at most 2^27 entries of 2^26.
    pub fn table_reach(&self) -> u64 {
        self.table_bytes() / ENTRY * self.cluster_size
    }

    /// L1 entries that the disk needs.
    pub fn l1_entries(&self) -> u64 {
        (self.image_size + self.table_reach() - 1) / self.table_reach()
    }

    /// Whether a table or cluster can be at an offset, with `length` bytes
    /// behind it in reach of a file offset.
    pub fn is_offset(&self, offset: u64, length: u64) -> bool {
        offset >= self.header_bytes() && offset & (self.cluster_size - 1) == 0 && offset <= i64::MAX as u64 - length
    }

    /// Reports the numbers and whether they fit together.
    pub fn check(&self, image: &Image, report: &mut Report) -> Result<(), Defect> {
        self.features(report)?;
        report.number(keys::CLUSTER_SIZE, CLUSTER_SIZE, self.cluster_size);
        report.number(keys::TABLE_BYTES, TABLE_SIZE, self.table_bytes());
        if !(MIN_CLUSTER..=MAX_CLUSTER).contains(&self.cluster_size) || !self.cluster_size.is_power_of_two() {
            report.finding(keys::OTHER_CLUSTER_SIZE, CLUSTER_SIZE, [self.cluster_size]);
            return Err(Defect);
        }
        if !(MIN_TABLE..=MAX_TABLE).contains(&self.table_size) || !self.table_size.is_power_of_two() {
            report.finding(keys::TABLE_SIZE, TABLE_SIZE, [self.table_size, MAX_TABLE]);
            return Err(Defect);
        }
        // The driver keeps the size of the header in 32 bits.
        let max_header = u64::from(u32::MAX) / self.cluster_size;
        if !(1..=max_header).contains(&self.header_size) {
            report.finding(keys::HEADER_SIZE, HEADER_SIZE, [self.header_size, max_header]);
            return Err(Defect);
        }
        let entries = self.table_bytes() / ENTRY;
        let capacity = entries.checked_mul(self.table_reach()).unwrap_or(u64::MAX).min(i64::MAX as u64 & !(SECTOR - 1));
        if self.image_size > capacity || self.image_size & (SECTOR - 1) != 0 {
            report.finding(keys::VIRTUAL_SIZE, IMAGE_SIZE, [self.image_size, capacity]);
            return Err(Defect);
        }
        report.number(core_keys::VIRTUAL_SIZE, IMAGE_SIZE, self.image_size);
        let tables = self.l1_entries().saturating_mul(self.table_bytes());
        report.number(core_keys::METADATA_BYTES, Place::NONE, tables.saturating_add(self.table_bytes()));
        if !self.is_offset(self.l1_table_offset, self.table_bytes()) {
            report.finding(keys::L1_OFFSET, L1_TABLE_OFFSET, [self.l1_table_offset, self.header_bytes()]);
            return Err(Defect);
        }
        inside(image, report, L1_TABLE_OFFSET, self.l1_table_offset, self.table_bytes())
    }

    fn features(&self, report: &mut Report) -> Result<(), Defect> {
        if self.features & NEED_CHECK != 0 {
            report.finding(keys::DIRTY, FEATURES, []);
        }
        if self.compat_features != 0 {
            report.finding(keys::UNKNOWN_COMPATIBLE, Place::new(24, 8), [self.compat_features]);
        }
        if self.autoclear_features != 0 {
            report.finding(keys::UNKNOWN_AUTOCLEAR, Place::new(32, 8), [self.autoclear_features]);
        }
        let unknown = self.features & !(BACKING_FILE | NEED_CHECK | BACKING_FORMAT_NO_PROBE);
        if unknown != 0 {
            report.finding(keys::UNKNOWN_FEATURE, FEATURES, [unknown]);
            return Err(Defect);
        }
        Ok(())
    }
}

/// Reports a backing file. The feature bit and the size of the name each
/// announce one; an offset alone is what is left where there was one. The name
/// is taken from where it is said to be, whether or not a reader accepts that.
fn backing_file(image: &mut Image, report: &mut Report) {
    let head = image.head();
    let features = head.le64(16).unwrap_or(0);
    let (offset, size) = (head.le32(56).unwrap_or(0), head.le32(60).unwrap_or(0));
    if size != 0 {
        let name = image.most(offset.into(), (size as usize).min(MAX_TEXT));
        report.reference(keys::BACKING_FILE, Place::new(offset.into(), size.into()), name);
    } else if features & BACKING_FILE != 0 {
        report.reference(keys::BACKING_FILE, BACKING_FILENAME_SIZE, &[]);
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
