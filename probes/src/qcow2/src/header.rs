//! The header's fields (section Header), and the name of the backing file.

use crate::ledger::Ledger;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report, MAX_TEXT};

const MAGIC: &[u8] = b"QFI\xfb";
const SWAPPED_MAGIC: &[u8] = b"\xfbIFQ";
const V2_LENGTH: u32 = 72;
const V3_LENGTH: u32 = 104;

/// The fields of the header, by the names of the specification; those that
/// version 2 lacks have the values it implies.
pub struct Header {
    pub version: u32,
    pub backing_file_offset: u64,
    pub backing_file_size: u32,
    pub cluster_bits: u32,
    pub size: u64,
    pub crypt_method: u32,
    pub l1_size: u32,
    pub l1_table_offset: u64,
    pub refcount_table_offset: u64,
    pub refcount_table_clusters: u32,
    pub nb_snapshots: u32,
    pub snapshots_offset: u64,
    pub incompatible: u64,
    pub compatible: u64,
    pub autoclear: u64,
    pub refcount_order: u32,
    pub header_length: u32,
    pub compression_type: u8,
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
        if head.be32(4) == Some(1) {
            return Err(Outcome::NoMatch); // qcow, another format with the same magic
        }
        // Before anything can be wrong with the rest: a reference is a
        // reference in a damaged image too.
        backing_file(image, report);
        let header = Header::parse(head);
        if let Some(version) = head.be32(4) {
            report.number(keys::VERSION, Place::new(4, 4), version.into());
            if version != 2 && version != 3 {
                report.finding(keys::UNKNOWN_VERSION, Place::new(4, 4), [version.into()]);
                return Err(Outcome::Malformed);
            }
        }
        match (header, image.size()) {
            (Some(header), _) => Ok(header),
            (None, None) => Err(Outcome::Match),
            (None, Some(size)) => {
                let length = if head.be32(4) == Some(3) { V3_LENGTH } else { V2_LENGTH };
                report.finding(keys::HEADER_CUT, Place::new(0, size), [size, length.into()]);
                Err(Outcome::Malformed)
            }
        }
    }

    fn parse(head: &[u8]) -> Option<Header> {
        let mut header = Header {
            version: head.be32(4)?,
            backing_file_offset: head.be64(8)?,
            backing_file_size: head.be32(16)?,
            cluster_bits: head.be32(20)?,
            size: head.be64(24)?,
            crypt_method: head.be32(32)?,
            l1_size: head.be32(36)?,
            l1_table_offset: head.be64(40)?,
            refcount_table_offset: head.be64(48)?,
            refcount_table_clusters: head.be32(56)?,
            nb_snapshots: head.be32(60)?,
            snapshots_offset: head.be64(64)?,
            incompatible: 0,
            compatible: 0,
            autoclear: 0,
            refcount_order: 4,
            header_length: V2_LENGTH,
            compression_type: 0,
        };
        if header.version >= 3 {
            header.incompatible = head.be64(72)?;
            header.compatible = head.be64(80)?;
            header.autoclear = head.be64(88)?;
            header.refcount_order = head.be32(96)?;
            header.header_length = head.be32(100)?;
            if header.header_length > V3_LENGTH {
                // A file that ends here reads as zeros.
                header.compression_type = head.u8(104).unwrap_or(0);
            }
        }
        Some(header)
    }

    /// Size of a cluster in bytes; only after the geometry was checked.
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Rounds a size in bytes up to clusters and returns how many.
    pub fn clusters(&self, bytes: u64) -> u64 {
        (bytes >> self.cluster_bits) + u64::from(bytes & (self.cluster() - 1) != 0)
    }

    /// Whether the offset of a table or cluster is one that the specification
    /// allows: aligned, not the header's, and with `length` bytes behind it in
    /// reach of a file offset.
    pub fn is_offset(&self, offset: u64, length: u64) -> bool {
        offset != 0 && self.is_place(offset, length)
    }

    /// The same of a table that may be empty, for which 0 will do. The driver
    /// looks at the offset of an empty one too.
    pub fn is_place(&self, offset: u64, length: u64) -> bool {
        offset & (self.cluster() - 1) == 0 && matches!(offset.checked_add(length), Some(0..=MAX_OFFSET))
    }

    /// Whether either field that announces a backing file is set.
    pub fn has_backing_file(&self) -> bool {
        self.backing_file_offset != 0 || self.backing_file_size != 0
    }

    /// Size of the active L1 table in bytes.
    pub fn l1_bytes(&self) -> u64 {
        8 * u64::from(self.l1_size)
    }

    /// Size of the refcount table in bytes.
    pub fn refcount_table_bytes(&self) -> u64 {
        u64::from(self.refcount_table_clusters) << self.cluster_bits
    }

    /// log2 of the size of an L2 entry in bytes.
    pub fn l2_entry_bits(&self) -> u32 {
        if self.incompatible & EXTENDED_L2 != 0 {
            4
        } else {
            3
        }
    }

    /// log2 of the bytes of disk that one L2 table maps.
    pub fn l2_reach_bits(&self) -> u32 {
        2 * self.cluster_bits - self.l2_entry_bits()
    }

    /// L1 entries that a disk of `size` bytes needs.
    pub fn l1_entries(&self, size: u64) -> u64 {
        let bits = self.l2_reach_bits();
        (size >> bits) + u64::from(size & ((1 << bits) - 1) != 0)
    }

    /// Enters what the header itself points to.
    pub fn record_use(&self, used: &mut Ledger) {
        used.add(0, 1);
        used.add_range(self, self.l1_table_offset, self.l1_bytes());
        used.add_range(self, self.refcount_table_offset, self.refcount_table_bytes());
    }
}

/// Largest offset and size of a file.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

/// Incompatible feature bits.
pub const DIRTY: u64 = 1 << 0;
pub const CORRUPT: u64 = 1 << 1;
pub const EXTERNAL_DATA: u64 = 1 << 2;
pub const COMPRESSION_TYPE: u64 = 1 << 3;
pub const EXTENDED_L2: u64 = 1 << 4;

/// Autoclear feature bits.
pub const BITMAPS: u64 = 1 << 0;
pub const RAW_EXTERNAL_DATA: u64 = 1 << 1;

/// Reports a backing file. Offset and size are two fields, and each alone
/// announces one; the name is taken from where it is said to be, whether or
/// not that is a place a reader accepts.
fn backing_file(image: &mut Image, report: &mut Report) {
    let head = image.head();
    let offset = head.be64(8).unwrap_or(0);
    let size = head.be32(16).unwrap_or(0);
    if offset == 0 && size == 0 {
        return;
    }
    if offset == 0 {
        return report.reference(keys::BACKING_FILE, Place::new(16, 4), &[]);
    }
    let name = image.most(offset, size.min(MAX_TEXT as u32) as usize);
    report.reference(keys::BACKING_FILE, Place::new(offset, size.into()), name);
}
