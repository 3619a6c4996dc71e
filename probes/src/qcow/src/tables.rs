//! The tables: from the L1 table over the L2 tables to the clusters that hold
//! the disk's data, whole or compressed.

use crate::header::{inside, Header, ENTRY, LENGTH};
use crate::Defect;
use assay_probe::keys::qcow as keys;
use assay_probe::{Bytes, Finding, Image, Place, Report};

const COMPRESSED: u64 = 1 << 63;
/// What the driver demands of the offset of a table or cluster that is not
/// compressed.
const ALIGNMENT: u64 = 512;

/// Follows the L1 table; ends at the first defect.
pub fn walk(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let file = image.size().unwrap_or(0);
    let mut walk = Walk { header, file, bytes: 0 };
    for index in 0..header.l1_entries() {
        let at = header.l1_table_offset + ENTRY * index;
        let entry = image.be64(at).ok_or(Defect)?;
        if entry == 0 {
            continue;
        }
        let place = Place::new(at, ENTRY);
        if let Err(fault) = walk.used(keys::L1_ENTRY, entry, header.l2_bytes(), ALIGNMENT) {
            report.finding(fault.finding, place, fault.values);
            return Err(Defect);
        }
        inside(image, report, place, entry, header.l2_bytes())?;
        walk.table(entry, index << header.l2_reach_bits(), image, report)?;
    }
    // Entries that are there twice are not looked for one by one; more of them
    // than fit would let a small file stand for a large disk.
    if walk.bytes > file {
        report.finding(keys::OVERLAP, Place::new(header.l1_table_offset, header.l1_bytes()), [walk.bytes, file]);
        return Err(Defect);
    }
    Ok(())
}

/// What is wrong with an entry.
struct Fault {
    finding: Finding,
    values: [u64; 2],
}

struct Walk<'h> {
    header: &'h Header,
    file: u64,
    /// Bytes that the tables name.
    bytes: u64,
}

impl Walk<'_> {
    /// Enters bytes that an entry names; a fault when they lie where none can.
    fn used(&mut self, finding: Finding, offset: u64, bytes: u64, alignment: u64) -> Result<(), Fault> {
        let l1 = self.header.l1_table_offset;
        let end = offset.saturating_add(bytes);
        let over_l1 = offset < l1 + self.header.l1_bytes() && l1 < end;
        if offset < LENGTH || over_l1 || bytes == 0 || offset & (alignment - 1) != 0 || end > i64::MAX as u64 {
            return Err(Fault { finding, values: [offset, alignment] });
        }
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Goes over an L2 table, whose first entry maps the disk from `guest` on.
    fn table(&mut self, table: u64, mut guest: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        let bytes = self.header.l2_bytes();
        let mut done = 0;
        while done < bytes {
            let chunk = image.chunk(table + done, bytes - done);
            if chunk.len() < ENTRY as usize {
                return Err(Defect); // the file shrank under the run
            }
            for raw in chunk.chunks_exact(ENTRY as usize) {
                let entry = raw.be64(0).unwrap_or(0);
                if entry != 0 {
                    if let Err(fault) = self.entry(entry, guest) {
                        report.finding(fault.finding, Place::new(table + done, ENTRY), fault.values);
                        return Err(Defect);
                    }
                }
                done += ENTRY;
                guest = guest.wrapping_add(self.header.cluster());
            }
        }
        Ok(())
    }

    /// An entry is an offset, or with its highest bit the offset and the size
    /// of compressed data, both in bytes: the size in as many bits as number
    /// the bytes of a cluster.
    fn entry(&mut self, entry: u64, guest: u64) -> Result<(), Fault> {
        let bits = 63 - u32::from(self.header.cluster_bits);
        let end = if entry & COMPRESSED == 0 {
            // What lies behind the end of the disk nobody reads.
            let seen = self.header.cluster().min(self.header.size.saturating_sub(guest));
            self.used(keys::L2_ENTRY, entry, seen.max(1), ALIGNMENT)?;
            entry + seen
        } else {
            let (offset, size) = (entry & ((1 << bits) - 1), (entry & !COMPRESSED) >> bits);
            self.used(keys::L2_ENTRY, offset, size, 1)?;
            offset + size
        };
        if end > self.file {
            return Err(Fault { finding: keys::INCOMPLETE, values: [end, self.file] });
        }
        Ok(())
    }
}
