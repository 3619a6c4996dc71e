//! The metadata region (section 2.6): a table of items, and the items that
//! the specification defines.

use crate::extent::Extent;
use crate::guid::{self, Guid};
use crate::locator;
use crate::{Defect, MIB};
use assay_probe::keys::{self as core_keys, vhdx as keys};
use assay_probe::{Bytes, Image, Place, Report};

const SIGNATURE: u64 = u64::from_le_bytes(*b"metadata");
const ENTRY: u64 = 32;
const MAX_ENTRIES: u16 = 2047;
/// Size of the table; items lie behind it.
const TABLE: u64 = 64 << 10;
/// Section 2.6.1.2: size of an item.
const MAX_ITEM: u64 = MIB;

const IS_USER: u32 = 1 << 0;
const IS_REQUIRED: u32 = 1 << 2;

/// FileParameters, section 2.6.2.1.
const LEAVE_BLOCK_ALLOCATED: u32 = 1 << 0;
const HAS_PARENT: u32 = 1 << 1;
const MAX_BLOCK: u64 = 256 * MIB;

const MAX_VIRTUAL_SIZE: u64 = 64 << 40;
/// The one logical sector size that qemu's driver reads.
const SECTOR: u32 = 512;
const LARGE_SECTOR: u32 = 4096;

/// The values of the items, and where they are.
pub struct Metadata {
    block_size: (u64, Place),
    flags: (u32, Place),
    size: (u64, Place),
    logical_sector: (u32, Place),
    physical_sector: (u32, Place),
}

/// The disk that the metadata describes.
pub struct Disk {
    pub size: u64,
    pub block_size: u64,
    pub sector: u64,
}

/// Where an item is in the file.
type Item = Option<Place>;

/// The items that the specification defines.
#[derive(Default)]
struct Items {
    file_parameters: Item,
    size: Item,
    id: Item,
    logical_sector: Item,
    physical_sector: Item,
    parent_locator: Item,
    unknown_required: bool,
    unknown_optional: bool,
}

impl Metadata {
    /// Reads the table and the items; `None` when they have not arrived.
    pub fn read(region: &Extent, image: &mut Image, report: &mut Report) -> Result<Option<Metadata>, Defect> {
        let count = match image.bytes(region.offset, ENTRY as usize) {
            Some(b) => (b.le64(0), b.le16(10)),
            None => return Ok(None),
        };
        let count = match count {
            (Some(SIGNATURE), Some(count)) if count <= MAX_ENTRIES && region.length >= TABLE => count,
            _ => {
                report.finding(keys::METADATA_TABLE, Place::new(region.offset, ENTRY), [region.offset]);
                return Err(Defect);
            }
        };
        let mut items = Items::default();
        let mut result = Ok(());
        for index in 1..=u64::from(count) {
            // An item that is wrong does not hide a parent behind it.
            result = result.and(items.add(region, region.offset + ENTRY * index, image, report));
        }
        let has_parent = items
            .file_parameters
            .and_then(|p| image.bytes(p.offset + 4, 4)?.le32(0))
            .map_or(false, |flags| flags & HAS_PARENT != 0);
        locator::check(items.parent_locator, has_parent.then(|| items.file_parameters).flatten(), image, report);
        result?;
        let read = items.values(image);
        if read.is_none() {
            report.finding(keys::METADATA_MISSING, Place::new(region.offset, ENTRY), []);
            return Err(Defect);
        }
        Ok(read)
    }

    /// Reports the values and returns the disk.
    pub fn check(&self, report: &mut Report) -> Result<Disk, Defect> {
        let (block_size, place) = self.block_size;
        report.number(keys::BLOCK_SIZE, place, block_size);
        let mut result = Ok(());
        if !(MIB..=MAX_BLOCK).contains(&block_size) || !block_size.is_power_of_two() {
            report.finding(keys::FILE_PARAMETERS, place, [block_size]);
            result = Err(Defect);
        }
        let (flags, place) = self.flags;
        report.flag(keys::FIXED, place, flags & LEAVE_BLOCK_ALLOCATED != 0);
        let unknown = flags & !(LEAVE_BLOCK_ALLOCATED | HAS_PARENT);
        if unknown != 0 {
            report.finding(keys::UNKNOWN_PARAMETERS, place, [unknown.into()]);
            result = Err(Defect);
        }
        let (logical, logical_place) = self.logical_sector;
        let (physical, physical_place) = self.physical_sector;
        report.number(keys::LOGICAL_SECTOR_SIZE, logical_place, logical.into());
        report.number(keys::PHYSICAL_SECTOR_SIZE, physical_place, physical.into());
        for (sector, place) in [(logical, logical_place), (physical, physical_place)] {
            if sector != SECTOR && sector != LARGE_SECTOR {
                report.finding(keys::SECTOR_SIZE, place, [sector.into()]);
                return Err(Defect);
            }
        }
        if logical != SECTOR {
            report.finding(keys::LARGE_SECTORS, logical_place, [logical.into(), SECTOR.into()]);
            result = Err(Defect);
        }
        let (size, place) = self.size;
        if size > MAX_VIRTUAL_SIZE || size & (u64::from(logical) - 1) != 0 {
            report.finding(keys::VIRTUAL_SIZE, place, [size, logical.into()]);
            return Err(Defect);
        }
        report.number(core_keys::VIRTUAL_SIZE, place, size);
        result?;
        Ok(Disk { size, block_size, sector: logical.into() })
    }
}

impl Items {
    /// Takes in the entry of the table at an offset.
    fn add(&mut self, region: &Extent, at: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        let place = Place::new(at, ENTRY);
        let b = image.bytes(at, ENTRY as usize).ok_or(Defect)?;
        let id = guid::read(b, 0).ok_or(Defect)?;
        let (offset, length) = (u64::from(b.le32(16).ok_or(Defect)?), u64::from(b.le32(20).ok_or(Defect)?));
        let flags = b.le32(24).ok_or(Defect)?;
        let (item, size) = match self.slot(id) {
            Some(slot) => slot,
            None if flags & IS_REQUIRED != 0 => {
                if !self.unknown_required {
                    self.unknown_required = true;
                    report.finding(keys::UNKNOWN_METADATA, place, []);
                }
                return Err(Defect);
            }
            None => {
                if !self.unknown_optional {
                    self.unknown_optional = true;
                    report.finding(keys::UNKNOWN_OPTIONAL_METADATA, place, []);
                }
                return Ok(());
            }
        };
        let fits = match size {
            Some(size) => length == size,
            None => (1..=MAX_ITEM).contains(&length),
        };
        // A user's item may have the same id by the specification, and is
        // taken for the other by readers that do not look at the flag.
        let twice = item.is_some() || flags & IS_USER != 0;
        // Kept also when it is wrong: its mere presence can be a reference.
        *item = Some(Place::new(region.offset + offset, length));
        if twice || !fits || offset < TABLE || offset + length > region.length {
            report.finding(keys::METADATA_ITEM, place, [offset, length]);
            return Err(Defect);
        }
        Ok(())
    }

    /// What holds an item that the specification defines, and its size; a
    /// parent locator has any.
    fn slot(&mut self, id: Guid) -> Option<(&mut Item, Option<u64>)> {
        Some(match id {
            guid::FILE_PARAMETERS => (&mut self.file_parameters, Some(8)),
            guid::VIRTUAL_DISK_SIZE => (&mut self.size, Some(8)),
            guid::VIRTUAL_DISK_ID => (&mut self.id, Some(16)),
            guid::LOGICAL_SECTOR_SIZE => (&mut self.logical_sector, Some(4)),
            guid::PHYSICAL_SECTOR_SIZE => (&mut self.physical_sector, Some(4)),
            guid::PARENT_LOCATOR => (&mut self.parent_locator, None),
            _ => return None,
        })
    }

    /// Reads the items; `None` when one that every image has is missing.
    fn values(&self, image: &mut Image) -> Option<Metadata> {
        self.id?;
        let parameters = self.file_parameters?;
        let (block, flags) = (Place::new(parameters.offset, 4), Place::new(parameters.offset + 4, 4));
        let mut number = |place: Place| Some((image.bytes(place.offset, 4)?.le32(0)?, place));
        let (block_size, block_place) = number(block)?;
        let flags = number(flags)?;
        let logical_sector = number(self.logical_sector?)?;
        let physical_sector = number(self.physical_sector?)?;
        let size = self.size?;
        Some(Metadata {
            block_size: (block_size.into(), block_place),
            flags,
            size: (image.bytes(size.offset, 8)?.le64(0)?, size),
            logical_sector,
            physical_sector,
        })
    }
}
