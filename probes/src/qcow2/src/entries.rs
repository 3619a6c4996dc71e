//! Tables whose entries of eight bytes are mostly zero: L1, refcount and bitmap
//! tables.

use crate::Defect;
use assay_probe::{Bytes, Image};

/// What is looked at at a time, in bytes: part of what the image has cached.
const PIECE: u64 = 512;

/// Steps through a table.
pub struct Entries {
    at: u64,
    end: u64,
}

impl Entries {
    /// The entries of a table, which must be in reach of a file offset.
    pub fn new(offset: u64, entries: u64) -> Entries {
        Entries { at: offset, end: offset + 8 * entries }
    }

    /// The next entry that is not zero, behind its offset in the file; an
    /// error when it is not there.
    #[inline(never)]
    pub fn next(&mut self, image: &mut Image) -> Result<Option<(u64, u64)>, Defect> {
        while self.at < self.end {
            let length = (self.end - self.at).min(PIECE);
            let piece = image.bytes(self.at, length as usize).ok_or(Defect)?;
            match piece.chunks_exact(8).position(|entry| entry.le64(0) != Some(0)) {
                None => self.at += length,
                Some(index) => {
                    let at = self.at + 8 * index as u64;
                    self.at = at + 8;
                    return Ok(Some((at, piece.be64(8 * index).unwrap_or(0))));
                }
            }
        }
        Ok(None)
    }
}
