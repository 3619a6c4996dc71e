//! The array of partition entries (UEFI specification, section 5.3.3, table
//! 5-6).

use crate::header::Header;
use crate::CRC32;
use assay_probe::crc32::Crc32;
use assay_probe::keys::gpt as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Section 5.3.2: an entry takes 128 * 2^n bytes.
const MIN_ENTRY: u32 = 128;
const MAX_ENTRY: u32 = 4096;
/// Largest array that is read, in bytes; tools write 16 KiB.
const MAX_ARRAY: u64 = 128 << 10;
/// Partitions compared with each other.
const MAX_COMPARED: usize = 128;

/// The partitions of a table, checked one by one. The first defect of each
/// kind is reported: a table can have a thousand.
pub struct Partitions {
    pub count: u64,
    sector: u64,
    /// Size of the file in bytes, when it is known.
    size: Option<u64>,
    ranges: [(u64, u64); MAX_COMPARED],
    beyond: bool,
    outside: bool,
    overlap: bool,
}

impl Partitions {
    pub fn new(image: &Image, sector: u64) -> Self {
        Partitions {
            count: 0,
            sector,
            size: image.size(),
            ranges: [(0, 0); MAX_COMPARED],
            beyond: false,
            outside: false,
            overlap: false,
        }
    }

    /// Checks the entry at `at` bytes: its blocks against the disk, the
    /// header's usable ones, and the other partitions.
    fn add(&mut self, entry: &[u8], at: u64, header: &Header, report: &mut Report) {
        if entry.le64(0) == Some(0) && entry.le64(8) == Some(0) {
            return; // a type of zero: not in use
        }
        let place = Place::new(at + 32, 16);
        let (first, last) = (entry.le64(32).unwrap_or(0), entry.le64(40).unwrap_or(0));
        let seen = self.count as usize;
        self.count += 1;
        let end = last.saturating_add(1).saturating_mul(self.sector);
        match self.size {
            Some(size) if end > size && !self.beyond => {
                self.beyond = true;
                report.finding(keys::BEYOND_DISK, place, [end, size]);
            }
            _ => (),
        }
        if first > last || first < header.first_usable_lba || last > header.last_usable_lba {
            if !self.outside {
                self.outside = true;
                report.finding(keys::OUTSIDE_USABLE, place, [first, last]);
            }
            return;
        }
        let others = self.ranges.iter().take(seen);
        let shared = |&&(from, to): &&(u64, u64)| first <= to && from <= last && to != 0;
        if let (Some((from, _)), false) = (others.clone().find(shared), self.overlap) {
            self.overlap = true;
            report.finding(keys::OVERLAP, place, [first.max(*from)]);
        }
        if let Some(range) = self.ranges.get_mut(seen) {
            *range = (first, last);
        }
    }
}

/// Checks the array of a header: size, place, CRC. With `partitions`, also
/// what the entries say.
pub fn is_valid(
    header: &Header,
    sector: u64,
    image: &mut Image,
    report: &mut Report,
    mut partitions: Option<&mut Partitions>,
) -> bool {
    let size = header.entry_size;
    let total = u64::from(header.entry_count) * u64::from(size);
    if !(MIN_ENTRY..=MAX_ENTRY).contains(&size) || !size.is_power_of_two() || total == 0 || total > MAX_ARRAY {
        return false;
    }
    let array = match header.entry_lba.checked_mul(sector) {
        Some(array) if header.entry_lba >= 2 => array,
        _ => return false,
    };
    let mut crc = Crc32::new(&CRC32);
    let mut done = 0;
    while done < total {
        let chunk = image.chunk(array.saturating_add(done), total - done);
        if chunk.is_empty() {
            // Not there, or not yet.
            return image.size().is_none();
        }
        crc.update(chunk);
        let length = chunk.len() as u64;
        if let Some(partitions) = &mut partitions {
            let mut at = array + done;
            for entry in chunk.chunks_exact(size as usize) {
                partitions.add(entry, at, header, report);
                at += u64::from(size);
            }
        }
        done += length;
    }
    crc.value() == header.entry_crc
}
