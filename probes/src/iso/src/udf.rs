//! UDF (ECMA-167, part 3): the anchor, and the volume descriptor sequence it
//! points to.

use crate::incomplete;
use assay_probe::keys::iso as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Sizes of a block, the usual one first.
const BLOCKS: [u64; 4] = [2048, 512, 4096, 1024];
/// Block of the first anchor (OSTA UDF 2.60, section 2.2.3).
const ANCHOR: u64 = 256;
/// Descriptors that are followed; tools write six.
const MAX: u32 = 64;

/// Bytes of a descriptor that are looked at, and of its tag.
const DESCRIPTOR: u64 = 512;
const TAG: usize = 16;

/// Tag identifiers (section 7.2.1).
const PRIMARY: u16 = 1;
const ANCHOR_POINTER: u16 = 2;
const POINTER: u16 = 3;
const PARTITION: u16 = 5;
const LOGICAL: u16 = 6;
const TERMINATING: u16 = 8;

/// An extent, in bytes.
#[derive(Clone, Copy)]
struct Extent {
    start: u64,
    length: u64,
}

impl Extent {
    /// Section 7.1: length in bytes, then location in blocks.
    fn read(b: &[u8], at: usize, block: u64) -> Option<Extent> {
        Some(Extent { start: u64::from(b.le32(at + 4)?) * block, length: b.le32(at)?.into() })
    }

    fn end(self) -> u64 {
        self.start + self.length
    }
}

/// Reads the descriptor in the block at `at` bytes, and its tag identifier;
/// `None` when its tag does not hold: check sum, location and CRC.
fn descriptor<'a>(image: &'a mut Image, at: u64, block: u64) -> Option<(u16, &'a [u8])> {
    let b = image.bytes(at, DESCRIPTOR as usize)?;
    let sum = b.get(..TAG)?.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte));
    let check_sum = b.u8(4)?;
    let covered = b.get(TAG..)?.get(..usize::from(b.le16(10)?).min(b.len() - TAG))?;
    // A CRC that reaches further than what is looked at is left to the reader.
    let whole = usize::from(b.le16(10)?) == covered.len();
    if sum.wrapping_sub(check_sum) != check_sum
        || u64::from(b.le32(12)?) != at / block
        || (whole && crc(covered) != b.le16(8)?)
    {
        return None;
    }
    Some((b.le16(0)?, b))
}

/// Section 7.2.6: polynomial 1021, not reflected, from 0; four bits a step.
fn crc(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 16] = table();
    let step = |crc: u16, nibble: u8| {
        let index = (crc >> 12) as u8 ^ nibble;
        crc << 4 ^ TABLE.get(usize::from(index & 15)).copied().unwrap_or(0)
    };
    bytes.iter().fold(0, |crc, &b| step(step(crc, b >> 4), b & 15))
}

const fn table() -> [u16; 16] {
    let mut t = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = (i as u16) << 12;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        t[i] = crc;
        i += 1;
    }
    t
}

/// Finds the anchor: block 256, or near the end of a disk whose size is known.
fn anchor(image: &mut Image) -> Option<(u64, [Extent; 2])> {
    for block in BLOCKS {
        let size = image.size().unwrap_or(0);
        let last = (size / block).saturating_sub(1);
        for n in [ANCHOR, last, last.saturating_sub(ANCHOR)] {
            if let Some((ANCHOR_POINTER, b)) = descriptor(image, n * block, block) {
                return Some((block, [Extent::read(b, 16, block)?, Extent::read(b, 24, block)?]));
            }
        }
    }
    None
}

/// Checks anchor and sequence; false when one is malformed.
pub fn check(image: &mut Image, report: &mut Report) -> bool {
    let (block, extents) = match anchor(image) {
        Some(found) => found,
        None if image.size().is_none() => return true,
        None => {
            report.finding(keys::UDF_ANCHOR, Place::NONE, []);
            return false;
        }
    };
    report.number(keys::UDF_BLOCK_BYTES, Place::NONE, block);
    // The second is the copy of the first.
    for extent in extents {
        incomplete(extent.end(), Place::new(extent.start, extent.length), image, report);
    }
    let [main, _] = extents;
    let broken = walk(main, block, image, report);
    if let Some(at) = broken {
        report.finding(keys::UDF_SEQUENCE, Place::new(at, DESCRIPTOR), [at]);
    }
    broken.is_none()
}

/// Follows the descriptors; returns where they break. They must tell of a
/// volume, a partition and a file system in it (section 8.4.2).
fn walk(mut extent: Extent, block: u64, image: &mut Image, report: &mut Report) -> Option<u64> {
    let mut seen = 0;
    let mut at = extent.start;
    for _ in 0..MAX {
        if image.ends_before(at, DESCRIPTOR) {
            return Some(at);
        }
        let whole = at < extent.end();
        let arrived = image.size().is_some() || image.bytes(at, DESCRIPTOR as usize).is_some();
        let (id, b) = match descriptor(image, at, block) {
            _ if !whole => return Some(at),
            Some(found) => found,
            None if arrived => return Some(at),
            None => return None,
        };
        match id {
            POINTER => {
                extent = Extent::read(b, 20, block)?;
                at = extent.start;
                continue;
            }
            PARTITION => {
                // 10.5.8 and 10.5.9: start and length, in blocks.
                let end = (u64::from(b.le32(188)?) + u64::from(b.le32(192)?)) * block;
                incomplete(end, Place::new(at + 188, 8), image, report);
            }
            // 10.6.5: readers take the size of a block from here.
            LOGICAL if b.le32(212).map(u64::from) != Some(block) => return Some(at),
            TERMINATING => break,
            _ => (),
        }
        seen |= 1u32.checked_shl(id.into()).unwrap_or(0);
        at += block;
    }
    let needed = 1 << PRIMARY | 1 << PARTITION | 1 << LOGICAL;
    if seen & needed == needed { None } else { Some(extent.start) }
}
