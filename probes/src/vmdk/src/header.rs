//! The header of a hosted sparse extent (section Hosted Sparse Extents).

use crate::SECTOR;
use assay_probe::keys::vmdk as keys;
use assay_probe::{Bytes, Image, Outcome, Place, Report};

/// Bytes of the header.
pub const LENGTH: u64 = SECTOR;

/// The fields of the header, by the names of the specification; offsets and
/// sizes are in sectors.
pub struct Header {
    pub version: u32,
    pub flags: u32,
    pub capacity: u64,
    pub grain_size: u64,
    pub descriptor_offset: u64,
    pub descriptor_size: u64,
    pub num_gtes_per_gt: u32,
    pub rgd_offset: u64,
    pub gd_offset: u64,
    pub over_head: u64,
    pub unclean_shutdown: u8,
    /// The four characters of line ends, the first in the low byte.
    pub line_ends: u32,
    pub compress_algorithm: u16,
}

/// Bits of flags.
pub const LINE_ENDS: u32 = 1 << 0;
pub const REDUNDANT: u32 = 1 << 1;
pub const ZEROED_GRAINS: u32 = 1 << 2;
pub const COMPRESSED: u32 = 1 << 16;
pub const MARKERS: u32 = 1 << 17;

/// gdOffset of a file whose footer has it.
pub const IN_FOOTER: u64 = u64::MAX;

impl Header {
    /// Reads the header, or says what the file is when there is no whole one.
    pub fn read(image: &Image, report: &mut Report) -> Result<Header, Outcome> {
        match (image.head().get(..LENGTH as usize), image.size()) {
            (Some(bytes), _) => Ok(Header::parse(bytes)),
            (None, None) => Err(Outcome::Match),
            (None, Some(size)) => {
                report.finding(keys::HEADER_CUT, Place::new(0, size), [size, LENGTH]);
                Err(Outcome::Malformed)
            }
        }
    }

    /// The fields of a sector, which has them all.
    fn parse(b: &[u8]) -> Header {
        let (le32, le64) = (|at| b.le32(at).unwrap_or(0), |at| b.le64(at).unwrap_or(0));
        Header {
            version: le32(4),
            flags: le32(8),
            capacity: le64(12),
            grain_size: le64(20),
            descriptor_offset: le64(28),
            descriptor_size: le64(36),
            num_gtes_per_gt: le32(44),
            rgd_offset: le64(48),
            gd_offset: le64(56),
            over_head: le64(64),
            unclean_shutdown: b.u8(72).unwrap_or(0),
            line_ends: le32(73),
            compress_algorithm: b.le16(77).unwrap_or(0),
        }
    }

    pub fn is_compressed(&self) -> bool {
        self.compress_algorithm != 0
    }

    pub fn has_redundant_tables(&self) -> bool {
        self.flags & REDUNDANT != 0
    }

    pub fn has_footer(&self) -> bool {
        self.gd_offset == IN_FOOTER
    }

    /// Size of a grain in bytes; only after the geometry was checked, as all
    /// below.
    pub fn grain_bytes(&self) -> u64 {
        self.grain_size * SECTOR
    }

    /// Grains of the disk.
    pub fn grains(&self) -> u64 {
        let shift = self.grain_size.trailing_zeros();
        (self.capacity >> shift) + u64::from(self.capacity & (self.grain_size - 1) != 0)
    }

    /// Entries of the grain directory: grain tables of the disk.
    pub fn tables(&self) -> u64 {
        let entries = u64::from(TABLE_ENTRIES);
        (self.grains() + entries - 1) / entries
    }

    pub fn directory_bytes(&self) -> u64 {
        ENTRY * self.tables()
    }

    /// First sector behind the header and the descriptor, saturating.
    pub fn behind_descriptor(&self) -> u64 {
        self.descriptor_offset.saturating_add(self.descriptor_size).max(1)
    }
}

/// Entries of a grain table; the specification has no other number.
pub const TABLE_ENTRIES: u32 = 512;
/// Bytes of an entry of grain directory and grain table.
pub const ENTRY: u64 = 4;
/// Bytes of a grain table.
pub const TABLE_BYTES: u64 = ENTRY * TABLE_ENTRIES as u64;
