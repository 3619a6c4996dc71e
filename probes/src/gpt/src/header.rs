//! The GPT header (UEFI specification, section 5.3.2, table 5-5).

use crate::CRC32;
use assay_probe::crc32::Crc32;
use assay_probe::{Bytes, Image};

pub const SIGNATURE: &[u8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// Bytes of the header that have a meaning.
pub const LENGTH: u32 = 92;
const CRC_FIELD: usize = 16;

/// A header whose CRC holds.
#[derive(Clone, Copy)]
pub struct Header {
    /// Where it is, in bytes.
    pub at: u64,
    pub alternate_lba: u64,
    pub first_usable_lba: u64,
    pub last_usable_lba: u64,
    pub disk_guid: [u64; 2],
    pub entry_lba: u64,
    pub entry_count: u32,
    pub entry_size: u32,
    pub entry_crc: u32,
}

impl Header {
    /// Reads the header in the block at `at` bytes; `None` when there is none
    /// that holds.
    pub fn read(image: &mut Image, at: u64, sector: u64) -> Option<Header> {
        let fixed = image.bytes(at, LENGTH as usize)?;
        let length = fixed.le32(12)?;
        if fixed.get(..8)? != SIGNATURE || fixed.le32(8)? != REVISION || !(LENGTH..=sector as u32).contains(&length) {
            return None;
        }
        if fixed.le64(24)?.checked_mul(sector)? != at {
            return None;
        }
        let header = Header {
            at,
            alternate_lba: fixed.le64(32)?,
            first_usable_lba: fixed.le64(40)?,
            last_usable_lba: fixed.le64(48)?,
            disk_guid: [fixed.le64(56)?, fixed.le64(64)?],
            entry_lba: fixed.le64(72)?,
            entry_count: fixed.le32(80)?,
            entry_size: fixed.le32(84)?,
            entry_crc: fixed.le32(88)?,
        };
        let want = fixed.le32(CRC_FIELD)?;
        let whole = image.bytes(at, length as usize)?;
        let mut crc = Crc32::new(&CRC32);
        crc.update(whole.get(..CRC_FIELD)?);
        crc.update(&[0; 4]);
        crc.update(whole.get(CRC_FIELD + 4..)?);
        let usable = header.first_usable_lba <= header.last_usable_lba;
        if crc.value() == want && usable { Some(header) } else { None }
    }

    /// Whether two headers describe the same table.
    pub fn agrees(&self, other: &Header) -> bool {
        self.first_usable_lba == other.first_usable_lba
            && self.last_usable_lba == other.last_usable_lba
            && self.disk_guid == other.disk_guid
            && self.entry_count == other.entry_count
            && self.entry_size == other.entry_size
            && self.entry_crc == other.entry_crc
    }
}
