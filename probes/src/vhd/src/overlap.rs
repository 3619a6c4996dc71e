//! No two parts of an image may lie over each other: a block over the header
//! lets a guest write the header, and blocks over each other make a small file
//! a disk of any size.

use crate::dynamic::{self, Header, ENTRY};
use crate::footer;
use crate::Defect;
use assay_probe::keys::vhd as keys;
use assay_probe::{Bytes, Image, Place, Report};

const SECTOR: u64 = 512;

/// First byte and end of a part.
type Range = (u64, u64);

/// The parts that are not blocks: copy of the footer, dynamic header, BAT and,
/// when the size of the file is known, the footer.
fn parts(header: &Header, size: Option<u64>) -> [Range; 4] {
    let footer = size.map_or((0, 0), |size| (size.saturating_sub(footer::LENGTH), size));
    let table_end = header.table_offset + header.table_bytes();
    [(0, footer::LENGTH), (header.at, header.at + dynamic::LENGTH), (header.table_offset, table_end), footer]
}

fn share(a: Range, b: Range) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// Checks that the parts that are not blocks are apart.
pub fn structures(header: &Header, size: Option<u64>, report: &mut Report) -> Result<(), Defect> {
    let all = parts(header, size);
    let mut rest = &all[..];
    while let Some((a, behind)) = rest.split_first() {
        if let Some(b) = behind.iter().find(|b| share(*a, **b)) {
            report.finding(keys::OVERLAP, Place::new(b.0, b.1 - b.0), [a.0.max(b.0)]);
            return Err(Defect);
        }
        rest = behind;
    }
    Ok(())
}

/// Returns the first byte that a block shares with a part that is no block.
pub fn with_structures(header: &Header, size: u64, block: Range) -> Option<u64> {
    let parts = parts(header, Some(size));
    let part = parts.iter().find(|part| share(block, **part))?;
    Some(block.0.max(part.0))
}

/// Slots that are looked at in one pass: as many as the chunk buffer holds.
const SLOTS: u64 = 40960 / SLOT as u64;
/// Bytes of a slot.
const SLOT: usize = 4;

/// Passes over the BAT that comparing the blocks of a file takes, when the
/// file has room for some number of them.
pub fn passes(blocks: u64) -> u64 {
    blocks / (SLOTS - 1) + 1
}

/// Checks that no two blocks share bytes. All blocks have the same size, so
/// that the file divides into slots of that size, of which a block begins in
/// one and can reach only into the next. Then two blocks over each other begin
/// in the same slot, or in neighbouring ones, the second less far into its slot
/// than the first. A pass compares the blocks of a part of the file, and shares
/// its last slot with the next pass. It takes the chunk buffer.
pub fn blocks(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let slots = image.take_chunk();
    let block = header.block_sectors();
    let count = image.size().unwrap_or(0) / SECTOR / u64::from(block) + 1;
    let mut first = 0;
    while first < count {
        if let Some(sector) = pass(header, first, slots, image)? {
            let place = Place::new(header.table_offset, header.table_bytes());
            report.finding(keys::OVERLAP, place, [sector * SECTOR]);
            return Err(Defect);
        }
        first += SLOTS - 1;
    }
    Ok(())
}

/// Returns the first sector that two blocks share in the slots from `first`
/// on.
fn pass(header: &Header, first: u64, slots: &mut [u8], image: &mut Image) -> Result<Option<u64>, Defect> {
    let block = header.block_sectors();
    slots.iter_mut().for_each(|b| *b = 0);
    let mut done = 0;
    while done < header.table_bytes() {
        let piece = (header.table_bytes() - done).min(PIECE);
        let entries = image.bytes(header.table_offset + done, piece as usize).ok_or(Defect)?;
        for entry in entries.chunks_exact(ENTRY as usize) {
            let sector = match entry.array(0).map(u32::from_be_bytes) {
                Some(sector) if sector != UNUSED => sector,
                _ => continue,
            };
            let slot = u64::from(sector / block);
            if slot < first || slot >= first + SLOTS {
                continue;
            }
            if let Some(place) = slots.chunks_exact_mut(SLOT).nth((slot - first) as usize) {
                if place.le32(0) != Some(0) {
                    return Ok(Some(sector.into()));
                }
                // One more than the offset: 0 is a slot in which none begins.
                for (to, from) in place.iter_mut().zip((sector % block + 1).to_le_bytes()) {
                    *to = from;
                }
            }
        }
        done += piece;
    }
    let mut before = 0;
    for (index, slot) in slots.chunks_exact(SLOT).enumerate() {
        let offset = slot.le32(0).unwrap_or(0);
        if offset != 0 && offset < before {
            return Ok(Some((first + index as u64) * u64::from(block) + u64::from(offset - 1)));
        }
        before = offset;
    }
    Ok(None)
}

/// The entry of a block that is not allocated.
pub const UNUSED: u32 = u32::MAX;
/// Bytes of the BAT that are read at once: what the cache holds.
const PIECE: u64 = 4096;
