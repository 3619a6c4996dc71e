//! The block map: an entry for each block of the disk, with the number of the
//! block of the file that holds it.

use crate::header::Header;
use crate::Defect;
use assay_probe::keys::{self as core_keys, vdi as keys};
use assay_probe::{Bytes, Image, Place, Report};

const OFF_BLOCKS: Place = Place::new(340, 4);
const C_BLOCKS_ALLOCATED: Place = Place::new(388, 4);

const ENTRY: u64 = 4;
/// Entries from here on name no block: discarded, never allocated.
const DISCARDED: u32 = 0xffff_fffe;

/// Reports a file that ends before the map, or before as many blocks as are
/// allocated.
pub fn check(header: &Header, image: &Image, report: &mut Report) -> Result<(), Defect> {
    report.number(core_keys::METADATA_BYTES, Place::NONE, header.map_bytes());
    inside(image, report, OFF_BLOCKS, header.map, header.map_bytes())?;
    // The last block of the file may be the last of the disk, of which readers
    // see what the disk has.
    let partial = header.disk & (header.block() - 1);
    let missing = if partial == 0 { 0 } else { header.block() - partial };
    let data = (u64::from(header.allocated) * header.block()).saturating_sub(missing);
    inside(image, report, C_BLOCKS_ALLOCATED, header.data, data)
}

fn inside(image: &Image, report: &mut Report, field: Place, offset: u64, bytes: u64) -> Result<(), Defect> {
    if image.ends_before(offset, bytes) {
        report.finding(keys::INCOMPLETE, field, [offset.saturating_add(bytes), image.size().unwrap_or(0)]);
        return Err(Defect);
    }
    Ok(())
}

/// Numbers of blocks, as sums: two sets of as many numbers with the same sums
/// are taken to be the same.
#[derive(Default, PartialEq)]
struct Sums {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Sums {
    fn add(&mut self, block: u64) {
        self.count += 1;
        self.sum += block;
        self.squares = self.squares.wrapping_add(block * block);
    }

    /// The sums of 0 to n - 1.
    fn of_all(n: u32) -> Sums {
        let n = u128::from(n);
        let sum = (n * n.saturating_sub(1) / 2) as u64;
        let squares = (n * n.saturating_sub(1) * (2 * n).saturating_sub(1) / 6) as u64;
        Sums { count: n as u64, sum, squares }
    }
}

/// Goes over the map; ends at the first defect.
pub fn walk(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let file = image.size().unwrap_or(0);
    let mut named = Sums::default();
    let mut done = 0;
    let mut guest = 0;
    while done < header.map_bytes() {
        let chunk = image.chunk(header.map + done, header.map_bytes() - done);
        if chunk.len() < ENTRY as usize {
            return Err(Defect); // the file shrank under the run
        }
        for raw in chunk.chunks_exact(ENTRY as usize) {
            let place = Place::new(header.map + done, ENTRY);
            let entry = raw.le32(0).unwrap_or(DISCARDED);
            // What lies behind the end of the disk nobody reads.
            let seen = header.block().min(header.disk.saturating_sub(guest));
            done += ENTRY;
            guest += header.block();
            if entry >= DISCARDED {
                continue;
            }
            if entry >= header.allocated {
                report.finding(keys::MAP_ENTRY, place, [entry.into(), header.allocated.into()]);
                return Err(Defect);
            }
            named.add(entry.into());
            let end = header.data + u64::from(entry) * header.block() + seen;
            if end > file {
                report.finding(keys::INCOMPLETE, place, [end, file]);
                return Err(Defect);
            }
        }
    }
    if named != Sums::of_all(header.allocated) {
        report.finding(keys::MAP, OFF_BLOCKS, [named.count, header.allocated.into()]);
        return Err(Defect);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Sums;

    #[test]
    fn sums() {
        for n in [0, 1, 2, 3, 1000] {
            let mut s = Sums::default();
            (0..n).rev().for_each(|i| s.add(i.into()));
            assert!(s == Sums::of_all(n), "{n} blocks");
        }
        let mut twice = Sums::default();
        [0, 1, 1].iter().for_each(|&i| twice.add(i));
        assert!(twice != Sums::of_all(3));
        let n = u32::MAX / 4;
        let all = Sums::of_all(n);
        assert_eq!(all.sum, u64::from(n) * u64::from(n - 1) / 2);
    }
}
