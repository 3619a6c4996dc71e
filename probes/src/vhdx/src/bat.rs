//! The block allocation table (section 2.5): an entry for each payload block,
//! and behind those of each chunk one for its sector bitmap, which only
//! differencing disks use.

use crate::extent::Extent;
use crate::header::Header;
use crate::metadata::Disk;
use crate::regions::Regions;
use crate::{Defect, MIB};
use assay_probe::keys::{self as core_keys, vhdx as keys};
use assay_probe::{Bytes, Finding, Image, Place, Report};

const ENTRY: u64 = 8;
/// Section 2.5: sectors of a chunk, the blocks that share a sector bitmap.
const SECTORS_PER_CHUNK: u64 = 1 << 23;

/// Section 2.5.1: an entry is a state and an offset in MiB.
const STATE: u64 = 7;
const RESERVED: u64 = 0xf_fff8;
const OFFSET: u64 = !0xf_ffff;

/// Section 2.5.1.1: states of a payload block.
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const FULLY_PRESENT: u64 = 6;

/// How many entries the table of a disk has.
#[derive(Clone, Copy)]
struct Shape {
    entries: u64,
    /// Blocks of a chunk: so many entries lie between two of sector bitmaps.
    ratio: u64,
}

impl Shape {
    fn of(disk: &Disk) -> Shape {
        // All are powers of two, checked before.
        let ratio = SECTORS_PER_CHUNK * disk.sector >> disk.block_size.trailing_zeros();
        let shift = disk.block_size.trailing_zeros();
        let blocks = (disk.size + disk.block_size - 1) >> shift;
        let bitmaps = blocks.saturating_sub(1) >> ratio.trailing_zeros();
        Shape { entries: blocks + bitmaps, ratio }
    }
}

/// Reports a BAT that is too short for the disk, and what a walk reads.
pub fn check(disk: &Disk, regions: &Regions, report: &mut Report) -> Result<(), Defect> {
    let needed = ENTRY * Shape::of(disk).entries;
    report.number(core_keys::METADATA_BYTES, Place::NONE, needed);
    if needed > regions.bat.length {
        report.finding(keys::BAT_LENGTH, Place::NONE, [regions.bat.length, needed]);
        return Err(Defect);
    }
    Ok(())
}

/// Goes over the entries; ends at the first defect.
pub fn walk(
    disk: &Disk,
    header: &Header,
    regions: &Regions,
    image: &mut Image,
    report: &mut Report,
) -> Result<(), Defect> {
    let shape = Shape::of(disk);
    let file = image.size().unwrap_or(0);
    let mut walk = Walk { disk, log: &header.log, regions, file, guest: 0, present: 0 };
    let (mut index, mut until_bitmap) = (0, shape.ratio);
    while index < shape.entries {
        let at = regions.bat.offset + ENTRY * index;
        let chunk = image.chunk(at, ENTRY * (shape.entries - index));
        if chunk.len() < ENTRY as usize {
            return Err(Defect); // the file shrank under the run
        }
        for raw in chunk.chunks_exact(ENTRY as usize) {
            let entry = raw.le64(0).unwrap_or(0);
            let result = if until_bitmap == 0 {
                until_bitmap = shape.ratio;
                bitmap(entry)
            } else {
                until_bitmap -= 1;
                walk.payload(entry)
            };
            if let Err(fault) = result {
                report.finding(fault.finding, Place::new(regions.bat.offset + ENTRY * index, ENTRY), fault.values);
                return Err(Defect);
            }
            index += 1;
        }
    }
    // Blocks that lie over each other are not looked for one by one; more of
    // them than fit would let a small file stand for a large disk.
    let room = file / disk.block_size + 1;
    if walk.present > room {
        report.finding(keys::OVERLAP, Place::new(regions.bat.offset, ENTRY * shape.entries), [MIB]);
        return Err(Defect);
    }
    Ok(())
}

/// What is wrong with an entry.
struct Fault {
    finding: Finding,
    values: [u64; 2],
}

/// Section 2.5.1.2: only a differencing disk has sector bitmaps.
fn bitmap(entry: u64) -> Result<(), Fault> {
    match entry {
        0 => Ok(()),
        _ => Err(Fault { finding: keys::BAT_ENTRY, values: [entry, 0] }),
    }
}

struct Walk<'a> {
    disk: &'a Disk,
    log: &'a Extent,
    regions: &'a Regions,
    file: u64,
    /// Offset on the disk that the next entry of a payload block maps.
    guest: u64,
    /// Blocks seen that hold data.
    present: u64,
}

impl Walk<'_> {
    fn payload(&mut self, entry: u64) -> Result<(), Fault> {
        let guest = self.guest;
        self.guest += self.disk.block_size;
        match entry & STATE {
            _ if entry & RESERVED != 0 => Err(Fault { finding: keys::BAT_ENTRY, values: [entry, 0] }),
            NOT_PRESENT | UNDEFINED | ZERO | UNMAPPED => Ok(()),
            FULLY_PRESENT => self.block(entry & OFFSET, guest, entry),
            _ => Err(Fault { finding: keys::BAT_ENTRY, values: [entry, 0] }),
        }
    }

    fn block(&mut self, offset: u64, guest: u64, entry: u64) -> Result<(), Fault> {
        if !(MIB..=i64::MAX as u64 - self.disk.block_size).contains(&offset) {
            return Err(Fault { finding: keys::BAT_ENTRY, values: [entry, 0] });
        }
        let block = Extent { offset, length: self.disk.block_size };
        if block.overlaps(self.log) || self.regions.over(&block) {
            return Err(Fault { finding: keys::OVERLAP, values: [offset, 0] });
        }
        // What lies behind the end of the disk nobody reads.
        let end = offset + self.disk.block_size.min(self.disk.size - guest);
        if end > self.file {
            return Err(Fault { finding: keys::INCOMPLETE, values: [end, self.file] });
        }
        self.present += 1;
        Ok(())
    }
}
