//! The blocks that the block allocation table (BAT) maps, each a bitmap and
//! the data of its sectors (section Block Allocation Table and Data Blocks).

use crate::dynamic::{self, Header, ENTRY};
use crate::overlap::{self, UNUSED};
use crate::Defect;
use assay_probe::keys::vhd as keys;
use assay_probe::{Bytes, Image, Place, Report};

const SECTOR: u64 = 512;

/// Follows the BAT of a disk of some bytes; ends at the first defect.
pub fn walk(
    header: &Header,
    disk: u64,
    differencing: bool,
    image: &mut Image,
    report: &mut Report,
) -> Result<(), Defect> {
    let size = image.size().unwrap_or(0);
    let block = u64::from(header.block_size);
    let length = u64::from(header.block_sectors()) * SECTOR;
    let mut left = disk / SECTOR; // sectors of the disk from this block on
    let mut unset = 0;
    for index in 0..u64::from(header.max_table_entries) {
        let at = header.table_offset + ENTRY * index;
        let entry = image.be32(at).ok_or(Defect)?;
        let visible = left.min(block / SECTOR);
        left -= visible;
        if entry == UNUSED {
            continue;
        }
        let offset = u64::from(entry) * SECTOR;
        let place = Place::new(at, ENTRY);
        dynamic::inside(image, report, place, offset, length)?;
        if let Some(byte) = overlap::with_structures(header, size, (offset, offset + length)) {
            report.finding(keys::OVERLAP, place, [byte]);
            return Err(Defect);
        }
        unset += visible - set_sectors(offset, visible, image)?;
    }
    let table = Place::new(header.table_offset, header.table_bytes());
    report.number(keys::UNSET_SECTORS, table, unset);
    // In a differencing disk they are the parent's.
    if unset != 0 && !differencing {
        report.finding(keys::PARTIAL_BLOCKS, table, [unset]);
    }
    overlap::blocks(header, image, report)
}

/// Counts the sectors that are there, among the first of a block, in the
/// bitmap at an offset. The first sector is the highest bit of the first byte.
fn set_sectors(bitmap: u64, sectors: u64, image: &mut Image) -> Result<u64, Defect> {
    let (whole, bits) = (sectors / 8, sectors % 8);
    let mut set = 0;
    let mut done = 0;
    while done < whole {
        let chunk = image.chunk(bitmap + done, whole - done);
        if chunk.is_empty() {
            return Err(Defect); // the file shrank under the run
        }
        let words = chunk.chunks_exact(8);
        let rest: u32 = words.remainder().iter().map(|b| b.count_ones()).sum();
        let words: u32 = words.map(|word| word.le64(0).unwrap_or(0).count_ones()).sum();
        set += u64::from(rest + words);
        done += chunk.len() as u64;
    }
    if bits != 0 {
        let last = image.chunk(bitmap + whole, 1).u8(0).ok_or(Defect)?;
        set += u64::from((last >> (8 - bits)).count_ones());
    }
    Ok(set)
}
