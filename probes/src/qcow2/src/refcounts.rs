//! The refcount table and its blocks (section Refcounts), and whether they
//! cover what the tables use.

use crate::entries::Entries;
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
    let mut entries = Entries::new(header.refcount_table_offset, header.refcount_table_bytes() / 8);
    while let Some((at, entry)) = entries.next(image)? {
        if entry & RESERVED != 0 || !header.is_offset(entry, header.cluster()) {
            report.finding(keys::REFCOUNT_TABLE_ENTRY, Place::new(at, 8), [entry, header.cluster()]);
            return Err(Defect);
        }
        geometry::inside(image, report, Place::new(at, 8), entry, header.cluster())?;
        used.add(entry >> header.cluster_bits, 1);
        let index = (at - header.refcount_table_offset) / 8;
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
    let words = Words::new(header.refcount_order);
    let mut done = 0;
    while done < header.cluster() {
        let chunk = image.chunk(offset + done, header.cluster() - done);
        if chunk.is_empty() {
            return Err(Defect); // the file shrank under the run
        }
        words.add(chunk, first.wrapping_add(done << 3 >> header.refcount_order), counts);
        done += chunk.len() as u64;
    }
    Ok(())
}

/// Refcounts, eight bytes at a time. Those of a byte or more are big-endian,
/// those below fill a byte from its low bits.
struct Words {
    /// log2 of the width of a refcount in bits.
    order: u32,
    /// Refcounts in a word.
    count: u64,
    /// All of them 1, as the word is read.
    ones: u64,
}

impl Words {
    fn new(order: u32) -> Words {
        let ones = u64::MAX / Words::mask(order);
        Words { order, count: 64 >> order, ones: Words::counts_from_low_bits(ones, order) }
    }

    /// The bits of the lowest refcount.
    fn mask(order: u32) -> u64 {
        u64::MAX >> (64 - (1 << order))
    }

    /// Turns a word as it is read, or back: refcounts then are numbers.
    fn counts_from_low_bits(word: u64, order: u32) -> u64 {
        if order < 3 {
            word
        } else {
            word.swap_bytes()
        }
    }

    /// Sums up the words of a chunk, whose first refcount is that of cluster
    /// `first`. Nearly all words are zero, or have 1 in every refcount.
    fn add(&self, chunk: &[u8], first: u64, counts: &mut Ledger) {
        let mut cluster = first;
        let mut rest = chunk;
        while !rest.is_empty() {
            let ones = run(rest, self.ones);
            counts.add_run(cluster, ones as u64 * self.count);
            rest = rest.get(8 * ones..).unwrap_or_default();
            let zeros = run(rest, 0);
            rest = rest.get(8 * zeros..).unwrap_or_default();
            cluster = cluster.wrapping_add((ones + zeros) as u64 * self.count);
            if zeros == 0 {
                self.add_word(rest.le64(0).unwrap_or(0), cluster, counts);
                rest = rest.get(8..).unwrap_or_default();
                cluster = cluster.wrapping_add(self.count);
            }
        }
    }

    /// Sums up the refcounts in a word that are not 0.
    #[inline(never)]
    fn add_word(&self, word: u64, first: u64, counts: &mut Ledger) {
        let mask = Words::mask(self.order);
        let mut left = Words::counts_from_low_bits(word, self.order);
        // The lowest bits of a big-endian number are of the last refcount.
        let last = if self.order < 3 { 0 } else { self.count - 1 };
        while left != 0 {
            let index = left.trailing_zeros() >> self.order;
            let shift = index << self.order;
            counts.add(first.wrapping_add(u64::from(index) ^ last), left >> shift & mask);
            left &= !(mask << shift);
        }
    }
}

/// How many words in a row, from the first on, are equal to one; as a loop of
/// its own, because a turn of a loop is charged for everything in it.
#[inline(never)]
fn run(words: &[u8], word: u64) -> usize {
    words.chunks_exact(8).take_while(|w| w.le64(0) == Some(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        for (order, word, want) in [
            (0, [0b0000_0101, 0, 0, 0, 0, 0, 0, 0x80], vec![(0, 1), (2, 1), (63, 1)]),
            (1, [0b1100_0110, 0, 0, 0, 0, 0, 0, 0], vec![(0, 2), (1, 1), (3, 3)]),
            (2, [0x21, 0x03, 0, 0, 0, 0, 0, 0], vec![(0, 1), (1, 2), (2, 3)]),
            (3, [1, 0, 3, 0, 0, 0, 0, 9], vec![(0, 1), (2, 3), (7, 9)]),
            (4, [0, 1, 2, 0, 0, 0, 0, 3], vec![(0, 1), (1, 512), (3, 3)]),
            (5, [0, 0, 0, 1, 0, 0, 1, 0], vec![(0, 1), (1, 256)]),
            (6, [0, 0, 0, 0, 0, 0, 1, 1], vec![(0, 257)]),
        ] {
            let (mut got, mut expected) = (Ledger::default(), Ledger::default());
            Words::new(order).add(&word, 1000, &mut got);
            for (index, count) in want {
                expected.add(1000 + index, count);
            }
            assert!(got == expected, "order {order}");
        }
    }

    #[test]
    fn runs() {
        for order in 0..7 {
            let words = Words::new(order);
            let (ones, two) = (words.ones, Words::counts_from_low_bits(2, order));
            for chunk in [[ones, ones, 0, 0], [0, ones, ones, two], [two, two, 0, ones], [ones, two, ones, 0], [ones; 4], [0; 4], [two; 4]] {
                let bytes: Vec<u8> = chunk.iter().flat_map(|w| w.to_le_bytes()).collect();
                let (mut got, mut expected) = (Ledger::default(), Ledger::default());
                words.add(&bytes, 1000, &mut got);
                for (index, &word) in chunk.iter().enumerate() {
                    words.add_word(word, 1000 + index as u64 * words.count, &mut expected);
                }
                assert!(got == expected, "order {order}, words {chunk:x?}");
            }
        }
    }
}
