//! The header: whether its numbers fit together, and whether it names a
//! parent.

use crate::Defect;
use assay_probe::keys::{self as core_keys, vdi as keys};
use assay_probe::{text, Bytes, Image, Outcome, Place, Report};

const SIGNATURE: u32 = 0xbeda_107f;
const SIGNATURE_AT: usize = 64;
/// Bytes that qemu's driver reads as the header.
const LENGTH: u64 = 512;
const VERSION: u32 = 0x0001_0001;
/// Where cbHeader counts from, and its value in the first version 1.1.
const HEADER_START: u64 = 72;
const MIN_HEADER: u32 = 384;

/// Types of images: dynamic, fixed, and two with a parent.
const DYNAMIC: u32 = 1;
const UNDO: u32 = 3;
const DIFFERENCING: u32 = 4;

/// What the driver reads; VirtualBox writes no other.
const SECTOR: u32 = 512;
const BLOCK: u32 = 1 << 20;
/// The driver counts the bytes of the map in an int.
const MAX_BLOCKS: u32 = (i32::MAX as u32 + 1 - SECTOR) / 4;

const TYPE: Place = Place::new(76, 4);
const OFF_BLOCKS: Place = Place::new(340, 4);
const OFF_DATA: Place = Place::new(344, 4);
const CB_DISK: Place = Place::new(368, 8);
const CB_BLOCK: Place = Place::new(376, 4);
const C_BLOCKS: Place = Place::new(384, 4);
const C_BLOCKS_ALLOCATED: Place = Place::new(388, 4);
const UUID_LINKAGE: usize = 424;
const UUID_PARENT_MODIFY: usize = 440;
const UUID: usize = 16;

/// The fields of the header.
pub struct Header {
    version: u32,
    header: u32,
    kind: u32,
    /// Offset of the block map, and of block 0, in bytes.
    pub map: u64,
    pub data: u64,
    sector: u32,
    /// Size of the disk in bytes.
    pub disk: u64,
    block: u32,
    extra: u32,
    pub blocks: u32,
    pub allocated: u32,
}

impl Header {
    /// Reads the header, or says what the file is when there is no whole one.
    pub fn read(image: &Image, report: &mut Report) -> Result<Header, Outcome> {
        let head = image.head();
        match head.le32(SIGNATURE_AT) {
            Some(SIGNATURE) => (),
            Some(n) if n == SIGNATURE.swap_bytes() => {
                report.finding(keys::WRONG_ENDIAN, Place::new(SIGNATURE_AT as u64, 4), []);
                return Err(Outcome::Malformed);
            }
            _ => return Err(Outcome::NoMatch),
        }
        // Before anything can be wrong with the rest: a reference is a
        // reference in a damaged image too.
        parent(head, report);
        match (Header::parse(head), image.size()) {
            (Some(header), Some(size)) if size >= LENGTH => Ok(header),
            (Some(header), None) => Ok(header),
            (_, None) => Err(Outcome::Match),
            (_, Some(size)) => {
                report.finding(keys::HEADER_CUT, Place::new(0, size), [size, LENGTH]);
                Err(Outcome::Malformed)
            }
        }
    }

    fn parse(head: &[u8]) -> Option<Header> {
        Some(Header {
            version: head.le32(68)?,
            header: head.le32(72)?,
            kind: head.le32(76)?,
            map: head.le32(340)?.into(),
            data: head.le32(344)?.into(),
            sector: head.le32(360)?,
            disk: head.le64(368)?,
            block: head.le32(376)?,
            extra: head.le32(380)?,
            blocks: head.le32(384)?,
            allocated: head.le32(388)?,
        })
    }

    /// Size of a block in bytes; only after the header was checked.
    pub fn block(&self) -> u64 {
        BLOCK.into()
    }

    /// Size of the map in bytes.
    pub fn map_bytes(&self) -> u64 {
        4 * u64::from(self.blocks)
    }

    /// Reports the numbers and whether they fit together.
    pub fn check(&self, report: &mut Report) -> Result<(), Defect> {
        report.number(keys::TYPE, TYPE, self.kind.into());
        report.number(keys::BLOCK_SIZE, CB_BLOCK, self.block.into());
        report.number(keys::BLOCKS_ALLOCATED, C_BLOCKS_ALLOCATED, self.allocated.into());
        report.number(keys::MAP_BYTES, C_BLOCKS, self.map_bytes());
        if self.version != VERSION {
            report.finding(keys::UNKNOWN_VERSION, Place::new(68, 4), [self.version.into()]);
            return Err(Defect);
        }
        let mut result = Ok(());
        if !(DYNAMIC..=DIFFERENCING).contains(&self.kind) {
            report.finding(keys::UNKNOWN_TYPE, TYPE, [self.kind.into()]);
            result = Err(Defect);
        }
        let sector = u64::from(SECTOR);
        let header_end = HEADER_START + u64::from(self.header);
        let map_end = self.map + self.map_bytes();
        let capacity = u64::from(self.blocks) * u64::from(BLOCK);
        // A disk may end within a sector; the driver shows all of that one.
        let disk = self.disk.checked_add(sector - 1).map(|n| n & !(sector - 1));
        let fields = [
            (self.header < MIN_HEADER || header_end > self.map, keys::HEADER_SIZE, Place::new(72, 4), [self.header.into(), MIN_HEADER.into()]),
            (self.map & (sector - 1) != 0, keys::MAP_OFFSET, OFF_BLOCKS, [self.map, sector]),
            (self.data & (sector - 1) != 0, keys::DATA_OFFSET, OFF_DATA, [self.data, sector]),
            (self.data < map_end, keys::OVERLAP, OFF_DATA, [self.data, map_end]),
            (self.sector != SECTOR, keys::SECTOR_SIZE, Place::new(360, 4), [self.sector.into(), sector]),
            (self.block != BLOCK, keys::OTHER_BLOCK_SIZE, CB_BLOCK, [self.block.into(), BLOCK.into()]),
            (self.extra != 0, keys::BLOCK_EXTRA, Place::new(380, 4), [self.extra.into(), 0]),
            (self.blocks > MAX_BLOCKS, keys::BLOCKS, C_BLOCKS, [self.blocks.into(), MAX_BLOCKS.into()]),
            (self.allocated > self.blocks, keys::BLOCKS, C_BLOCKS_ALLOCATED, [self.allocated.into(), self.blocks.into()]),
            (disk.map_or(true, |n| n > capacity), keys::VIRTUAL_SIZE, CB_DISK, [self.disk, capacity]),
        ];
        for (wrong, finding, place, values) in fields {
            if wrong {
                report.finding(finding, place, values);
                result = Err(Defect);
            }
        }
        if let Some(disk) = disk {
            report.number(core_keys::VIRTUAL_SIZE, CB_DISK, disk);
        }
        result
    }
}

/// Reports a parent: each of the two UUIDs and the type announces one.
fn parent(head: &[u8], report: &mut Report) {
    let mut named = false;
    for at in [UUID_LINKAGE, UUID_PARENT_MODIFY] {
        let id = head.array(at).unwrap_or([0; UUID]);
        if id != [0; UUID] {
            named = true;
            report.reference(keys::PARENT, Place::new(at as u64, UUID as u64), &text::guid(&id));
        }
    }
    if !named && matches!(head.le32(76), Some(UNDO | DIFFERENCING)) {
        report.reference(keys::PARENT, TYPE, &[]);
    }
}
