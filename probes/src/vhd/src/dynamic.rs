//! The dynamic disk header (section Dynamic Disk Header Format) and the place
//! of the block allocation table (BAT).

use crate::footer::{self, Footer};
use crate::overlap;
use crate::Defect;
use assay_probe::keys::{self as core_keys, vhd as keys};
use assay_probe::{Bytes, Image, Place, Report};

pub const COOKIE: &[u8] = b"cxsparse";
pub const LENGTH: u64 = 1024;
const CHECKSUM: u64 = 36;
const SECTOR: u32 = 512;
/// Smallest block in bytes. The specification and qemu differ in whether a
/// smaller one, of less than eight sectors, has a bitmap.
const MIN_BLOCK: u32 = 4096;
/// Bytes of an entry of the BAT.
pub const ENTRY: u64 = 4;

/// The fields of the header, by the names of the specification.
pub struct Header {
    /// Where it is, in bytes.
    pub at: u64,
    data_offset: u64,
    pub table_offset: u64,
    version: u32,
    pub max_table_entries: u32,
    pub block_size: u32,
    checksum: u32,
    /// What the checksum should be.
    sum: u32,
}

impl Header {
    /// Reads the header that a footer points to; `None` when it has not
    /// arrived.
    pub fn read(footer: &Footer, image: &mut Image, report: &mut Report) -> Result<Option<Header>, Defect> {
        let at = footer.data_offset;
        if !footer::is_offset(at) {
            return Err(Defect); // the footer's check said so
        }
        inside(image, report, footer.place(16, 8), at, LENGTH)?;
        let bytes = match image.bytes(at, LENGTH as usize) {
            Some(bytes) => bytes,
            None => return Ok(None),
        };
        if bytes.get(..COOKIE.len()) != Some(COOKIE) {
            report.finding(keys::DYNAMIC_HEADER, Place::new(at, 8), [at]);
            return Err(Defect);
        }
        Header::parse(bytes, at).ok_or(Defect).map(Some)
    }

    fn parse(bytes: &[u8], at: u64) -> Option<Header> {
        let checksum = bytes.be32(CHECKSUM as usize)?;
        Some(Header {
            at,
            data_offset: bytes.be64(8)?,
            table_offset: bytes.be64(16)?,
            version: bytes.be32(24)?,
            max_table_entries: bytes.be32(28)?,
            block_size: bytes.be32(32)?,
            checksum,
            sum: footer::sum(bytes, checksum),
        })
    }

    fn place(&self, offset: u64, length: u64) -> Place {
        Place::new(self.at + offset, length)
    }

    /// Size of the BAT in bytes.
    pub fn table_bytes(&self) -> u64 {
        ENTRY * u64::from(self.max_table_entries)
    }

    /// Size of a block's bitmap in bytes: a bit a sector, whole sectors.
    pub fn bitmap_bytes(&self) -> u64 {
        let bits = u64::from(self.block_size / SECTOR);
        (bits + 4095) / 4096 * u64::from(SECTOR)
    }

    /// Size of a block in the file, its bitmap included, in sectors.
    pub fn block_sectors(&self) -> u32 {
        (self.bitmap_bytes() as u32 + self.block_size) / SECTOR
    }

    /// Reports the fields that do not depend on the disk.
    pub fn check(&self, report: &mut Report) -> Result<(), Defect> {
        let mut result = Ok(());
        report.number(keys::BLOCK_SIZE, self.place(32, 4), self.block_size.into());
        report.number(keys::TABLE_OFFSET, self.place(16, 8), self.table_offset);
        report.number(keys::MAX_TABLE_ENTRIES, self.place(28, 4), self.max_table_entries.into());
        if self.checksum != self.sum {
            report.finding(keys::HEADER_CHECKSUM, self.place(CHECKSUM, 4), [self.checksum.into(), self.sum.into()]);
            result = Err(Defect);
        }
        if self.version != footer::VERSION {
            report.finding(keys::UNKNOWN_VERSION, self.place(24, 4), [self.version.into()]);
            result = Err(Defect);
        }
        if !footer::is_none(self.data_offset) {
            report.finding(keys::NEXT_STRUCTURE, self.place(8, 8), [self.data_offset]);
        }
        if self.block_size < MIN_BLOCK || !self.block_size.is_power_of_two() {
            report.finding(keys::ODD_BLOCK_SIZE, self.place(32, 4), [self.block_size.into(), MIN_BLOCK.into()]);
            result = Err(Defect);
        }
        result
    }

    /// Checks the BAT of a disk of some bytes: that it maps all of them, and
    /// where it is.
    pub fn check_table(&self, disk: u64, image: &Image, report: &mut Report) -> Result<(), Defect> {
        let bits = self.block_size.trailing_zeros();
        let needed = (disk >> bits) + u64::from(disk & u64::from(self.block_size - 1) != 0);
        if u64::from(self.max_table_entries) < needed {
            report.finding(keys::BAT_ENTRIES, self.place(28, 4), [self.max_table_entries.into(), needed]);
            return Err(Defect);
        }
        let (offset, bytes) = (self.table_offset, self.table_bytes());
        if !footer::is_offset(offset) || offset > footer::MAX_OFFSET - bytes {
            report.finding(keys::BAT_OFFSET, self.place(16, 8), [offset, SECTOR.into()]);
            return Err(Defect);
        }
        inside(image, report, self.place(16, 8), offset, bytes)?;
        overlap::structures(self, image.size(), report)?;
        self.metadata_bytes(image, report);
        Ok(())
    }

    /// Reports how much a deep run reads at most: the BAT once for its entries
    /// and once for each part of the file in which blocks are compared, and
    /// the bitmaps of as many blocks as the file has room for.
    fn metadata_bytes(&self, image: &Image, report: &mut Report) {
        let size = image.size().unwrap_or(0);
        let block = u64::from(self.block_sectors()) * u64::from(SECTOR);
        let blocks = (size / block).min(self.max_table_entries.into());
        let reads = 1 + overlap::passes(size / block);
        let total = self.table_bytes().saturating_mul(reads).saturating_add(blocks * self.bitmap_bytes());
        report.number(core_keys::METADATA_BYTES, Place::NONE, total);
    }
}

/// Reports `incomplete` when the file ends before what a field points to.
pub fn inside(image: &Image, report: &mut Report, field: Place, offset: u64, bytes: u64) -> Result<(), Defect> {
    if image.ends_before(offset, bytes) {
        let size = image.size().unwrap_or(0);
        report.finding(keys::INCOMPLETE, field, [offset.saturating_add(bytes), size]);
        return Err(Defect);
    }
    Ok(())
}
