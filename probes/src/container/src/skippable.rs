//! Skippable frames, which zstd and lz4 have in common (RFC 8878, section
//! 3.1.2; LZ4 frame format, section "Skippable frames"): a file that starts
//! with one is what the first other frame says.

use assay_probe::{Bytes, Image};

/// Frames that are skipped; tools write one.
const MAX: u32 = 32;
/// Magic number, with four bits that are the user's.
const MAGIC: u32 = 0x184d_2a50;
const MASK: u32 = 0xffff_fff0;

/// What follows the skippable frames a file starts with, if any.
pub enum Next {
    /// A frame with this magic number, at this offset.
    Frame(u32, u64),
    /// Nothing: the file ends between frames.
    End,
    /// The file ends inside a frame, or has more of them than are skipped.
    Broken,
    /// It has not arrived, or is shorter than a magic.
    Unknown,
}

/// Finds the first frame that is not skippable.
pub fn skip(image: &mut Image) -> Next {
    let mut at = 0;
    for _ in 0..MAX {
        let head = image.bytes(at, 4).and_then(|b| b.le32(0));
        match (head, image.size()) {
            (Some(magic), _) if magic & MASK != MAGIC => return Next::Frame(magic, at),
            (Some(_), _) => (),
            (None, None) => return Next::Unknown,
            (None, Some(_)) if at == 0 => return Next::Unknown,
            (None, Some(size)) => return if at == size { Next::End } else { Next::Broken },
        }
        let length = image.bytes(at + 4, 4).and_then(|b| b.le32(0));
        // At most MAX * 2^32.
        match length {
            Some(length) => at += 8 + u64::from(length),
            None if image.size().is_none() => return Next::Unknown,
            None => return Next::Broken,
        }
    }
    Next::Broken
}
