//! Primary and supplementary volume descriptors (ECMA-119, sections 8.4 and
//! 8.5).

use crate::{incomplete, SECTOR, SEQUENCE};
use assay_probe::keys::iso as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Bytes of a directory record with an identifier of one byte (section 9.1).
const ROOT_RECORD: u64 = 34;
/// Bytes of a path table record with an identifier of one byte (section 9.4).
const PATH_RECORD: u64 = 10;
/// Flag of a directory record: a directory (section 9.1.6).
const DIRECTORY: u8 = 2;

/// What a reader goes on with. Two primary descriptors must have it alike.
#[derive(PartialEq)]
pub struct Volume {
    pub joliet: bool,
    block: u64,
    blocks: u32,
    root: u32,
    root_length: u32,
    path_table_length: u32,
    path_tables: [u32; 4],
}

/// The fields as they stand in the descriptor.
struct Fields {
    volume: Volume,
    /// Whether each number that is there in both byte orders is the same.
    agree: bool,
    root_flags: u8,
    root_record: u8,
    structure_version: u8,
}

/// A number in both byte orders, least significant byte first, and whether
/// they agree (sections 7.2.3 and 7.3.3).
fn both16(b: &[u8], at: usize) -> Option<(u16, bool)> {
    let number = b.le16(at)?;
    Some((number, b.be16(at + 2)? == number))
}

fn both32(b: &[u8], at: usize) -> Option<(u32, bool)> {
    let number = b.le32(at)?;
    Some((number, b.be32(at + 4)? == number))
}

impl Fields {
    fn read(image: &mut Image, at: u64) -> Option<Fields> {
        let b = image.bytes(at, SECTOR as usize)?;
        let (blocks, a) = both32(b, 80)?;
        let (block, c) = both16(b, 128)?;
        let (path_table_length, d) = both32(b, 132)?;
        let (root, e) = both32(b, 158)?;
        let (root_length, f) = both32(b, 166)?;
        let joliet = matches!(b.get(88..91)?, b"%/@" | b"%/C" | b"%/E");
        Some(Fields {
            volume: Volume {
                joliet,
                block: block.into(),
                blocks,
                root,
                root_length,
                path_table_length,
                path_tables: [b.le32(140)?, b.le32(144)?, b.be32(148)?, b.be32(152)?],
            },
            agree: a && c && d && e && f,
            root_flags: b.u8(181)?,
            root_record: b.u8(156)?,
            structure_version: b.u8(881)?,
        })
    }
}

/// Checks the descriptor at an offset; `None` when it is malformed or not
/// wholly there.
pub fn check(at: u64, supplementary: bool, version: u8, image: &mut Image, report: &mut Report) -> Option<Volume> {
    let place = |field: u64, length: u64| Place::new(at + field, length);
    let f = match Fields::read(image, at) {
        Some(fields) => fields,
        None => {
            incomplete(at + SECTOR, place(0, SECTOR), image, report);
            return None;
        }
    };
    let v = f.volume;
    // A supplementary descriptor of version 2 is an enhanced one (section 8.5).
    let enhanced = supplementary && version == 2;
    if (version != 1 && !enhanced) || !matches!(f.structure_version, 1 | 2) {
        report.finding(keys::VERSION, place(6, 1), [version.into(), f.structure_version.into()]);
        return None;
    }
    let mut good = true;
    if !f.agree {
        report.finding(keys::BYTE_ORDERS, place(80, 110), []);
        good = false;
    }
    if !matches!(v.block, 512 | 1024 | 2048) {
        report.finding(keys::BLOCK_SIZE, place(128, 4), [v.block]);
        return None;
    }
    let size = u64::from(v.blocks) * v.block;
    if !supplementary && at == SEQUENCE {
        report.number(keys::BLOCK_BYTES, place(128, 4), v.block);
        report.number(keys::VOLUME_BYTES, place(80, 8), size);
    }
    incomplete(size, place(80, 8), image, report);
    let inside = |block: u32, length: u64, least: u64| {
        let start = u64::from(block) * v.block;
        start > SEQUENCE && length >= least && start + length <= size
    };
    let is_directory = f.root_flags & DIRECTORY != 0 && u64::from(f.root_record) >= ROOT_RECORD;
    if !is_directory || !inside(v.root, v.root_length.into(), ROOT_RECORD) {
        report.finding(keys::ROOT_DIRECTORY, place(156, ROOT_RECORD), [u64::from(v.root) * v.block, size]);
        good = false;
    }
    // Of each byte order one table must be there, and one more may.
    for ((field, optional), block) in [(140, false), (144, true), (148, false), (152, true)].into_iter().zip(v.path_tables) {
        if !(optional && block == 0) && !inside(block, v.path_table_length.into(), PATH_RECORD) {
            report.finding(keys::PATH_TABLE, place(field, 4), [u64::from(block) * v.block, size]);
            good = false;
        }
    }
    if good { Some(v) } else { None }
}
