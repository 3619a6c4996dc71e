//! The refcount table and its blocks (section Refcounts), and whether they
//! cover what the tables use.

use crate::geometry;
use crate::header::{self, Header};
use crate::ledger::Ledger;
use crate::Defect;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Bits 0-8 of a table entry.
const RESERVED: u64 = 0x1ff;

/// Sums up all refcounts and holds them against what is used.
pub fn check(header: &Header, image: &mut Image, report: &mut Report, mut used: Ledger) -> Result<(), Defect> {
    let mut counts = Ledger::default();
    let per_block_bits = header.cluster_bits + 3 - header.refcount_order;
    for index in 0..header.refcount_table_bytes() / 8 {
        let at = header.refcount_table_offset + 8 * index;
        let entry = image.be64(at).ok_or(Defect)?;
        if entry == 0 {
            continue;
        }
        if entry & RESERVED != 0 || !header.is_offset(entry, header.cluster()) {
            report.finding(keys::REFCOUNT_TABLE_ENTRY, Place::new(at, 8), [entry, header.cluster()]);
            return Err(Defect);
        }
        geometry::inside(image, report, Place::new(at, 8), entry, header.cluster())?;
        used.add(entry >> header.cluster_bits, 1);
        block(header, entry, index << per_block_bits, image, &mut counts)?;
    }
    // A dirty image has its refcounts put right when it is opened.
    if header.incompatible & header::DIRTY != 0 {
        return Ok(());
    }
    if !used.covered_by(&counts) {
        report.finding(keys::REFCOUNTS, Place::new(header.refcount_table_offset, header.refcount_table_bytes()), [counts.count, used.count]);
        return Err(Defect);
    }
    report.number(keys::LEAKED_CLUSTERS, Place::NONE, counts.count - used.count);
    Ok(())
}

/// Sums up one block, whose first refcount is that of cluster `first`.
fn block(header: &Header, offset: u64, first: u64, image: &mut Image, counts: &mut Ledger) -> Result<(), Defect> {
    let bits = 1u32 << header.refcount_order;
    let mut done = 0;
    let mut cluster = first;
    while done < header.cluster() {
        let chunk = image.chunk(offset + done, header.cluster() - done);
        if chunk.is_empty() {
            return Err(Defect); // the file shrank under the run
        }
        for word in chunk.chunks_exact(8) {
            add_word(word, bits, cluster, counts);
            cluster += u64::from(64 / bits);
        }
        done += chunk.len() as u64;
    }
    Ok(())
}

/// Sums up the refcounts in eight bytes. Those of a byte or more are
/// big-endian, those below fill a byte from its low bits.
fn add_word(word: &[u8], bits: u32, first: u64, counts: &mut Ledger) {
    let little = word.le64(0).unwrap_or(0);
    if little == 0 {
        return;
    }
    let mask = u64::MAX >> (64 - bits);
    let big = word.be64(0).unwrap_or(0);
    for index in 0..64 / bits {
        let count = if bits < 8 {
            little >> (bits * index) & mask
        } else {
            big >> (64 - bits - bits * index) & mask
        };
        counts.add(first.wrapping_add(index.into()), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        for (bits, word, want) in [
            (1, [0b0000_0101, 0, 0, 0, 0, 0, 0, 0x80], vec![(0, 1), (2, 1), (63, 1)]),
            (2, [0b1100_0110, 0, 0, 0, 0, 0, 0, 0], vec![(0, 2), (1, 1), (3, 3)]),
            (4, [0x21, 0x03, 0, 0, 0, 0, 0, 0], vec![(0, 1), (1, 2), (2, 3)]),
            (8, [1, 0, 3, 0, 0, 0, 0, 9], vec![(0, 1), (2, 3), (7, 9)]),
            (16, [0, 1, 2, 0, 0, 0, 0, 3], vec![(0, 1), (1, 512), (3, 3)]),
            (32, [0, 0, 0, 1, 0, 0, 1, 0], vec![(0, 1), (1, 256)]),
            (64, [0, 0, 0, 0, 0, 0, 1, 1], vec![(0, 257)]),
        ] {
            let (mut got, mut expected) = (Ledger::default(), Ledger::default());
            add_word(&word, bits, 1000, &mut got);
            for (index, count) in want {
                expected.add(1000 + index, count);
            }
            assert!(got == expected, "{bits} bits");
        }
    }
}
