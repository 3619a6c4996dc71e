//! The tables (section Tables): from the L1 table over the L2 tables to the
//! clusters that hold the disk's data.

use crate::header::{inside, Header, ENTRY};
use crate::Defect;
use assay_probe::keys::qed as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// An L2 entry: the cluster reads as zeros.
const ZERO: u64 = 1;

/// Follows the L1 table as far as the disk needs it; ends at the first defect.
pub fn walk(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let file = image.size().unwrap_or(0);
    let mut walk = Walk { header, file, clusters: 0 };
    for index in 0..header.l1_entries() {
        let at = header.l1_table_offset + ENTRY * index;
        let entry = image.bytes(at, ENTRY as usize).and_then(|b| b.le64(0)).ok_or(Defect)?;
        if entry == 0 {
            continue;
        }
        let place = Place::new(at, ENTRY);
        walk.offset(entry, header.table_bytes(), place, report)?;
        inside(image, report, place, entry, header.table_bytes())?;
        walk.table(entry, image, report)?;
    }
    // Entries that are there twice are not looked for one by one; more of them
    // than fit would let a small file stand for a large disk.
    let room = file / header.cluster();
    if walk.clusters > room {
        let place = Place::new(header.l1_table_offset, header.table_bytes());
        report.finding(keys::OVERLAP, place, [walk.clusters, room]);
        return Err(Defect);
    }
    Ok(())
}

struct Walk<'h> {
    header: &'h Header,
    file: u64,
    /// Clusters that the tables name.
    clusters: u64,
}

impl Walk<'_> {
    /// Reports an offset that no table or cluster can have.
    fn offset(&mut self, entry: u64, length: u64, place: Place, report: &mut Report) -> Result<(), Defect> {
        let header = self.header;
        let l1 = header.l1_table_offset;
        let over_l1 = entry < l1 + header.table_bytes() && l1 < entry.saturating_add(length);
        if over_l1 || !header.is_offset(entry, length) {
            report.finding(keys::TABLE_ENTRY, place, [entry, header.header_bytes()]);
            return Err(Defect);
        }
        self.clusters += length / header.cluster();
        Ok(())
    }

    /// Goes over an L2 table. The driver takes a last cluster that is not all
    /// there for one that is not there.
    fn table(&mut self, table: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        let bytes = self.header.table_bytes();
        let mut done = 0;
        while done < bytes {
            let chunk = image.chunk(table + done, bytes - done);
            if chunk.len() < ENTRY as usize {
                return Err(Defect); // the file shrank under the run
            }
            for raw in chunk.chunks_exact(ENTRY as usize) {
                let place = Place::new(table + done, ENTRY);
                done += ENTRY;
                let entry = raw.le64(0).unwrap_or(0);
                if entry <= ZERO {
                    continue;
                }
                self.offset(entry, self.header.cluster(), place, report)?;
                let end = entry + self.header.cluster();
                if end > self.file {
                    report.finding(keys::INCOMPLETE, place, [end, self.file]);
                    return Err(Defect);
                }
            }
        }
        Ok(())
    }
}
