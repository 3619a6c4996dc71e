//! The mapping tables (section Cluster mapping): from an L1 table over its L2
//! tables to the clusters that hold guest data.

use crate::entries::Entries;
use crate::geometry;
use crate::header::Header;
use crate::ledger::Ledger;
use crate::Defect;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Finding, Image, Place, Report};

/// An L1 table: of the disk as it is, or of a snapshot.
pub struct Table {
    pub offset: u64,
    pub entries: u32,
    /// Size of the disk it maps, in bytes; what it maps behind that is the
    /// state of a virtual machine.
    pub disk: u64,
}

/// Bits 9-55 of an entry: the offset of a cluster.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bits that are neither offset nor flag.
const L1_RESERVED: u64 = 0x7f00_0000_0000_01ff;
const L2_RESERVED: u64 = 0x3f00_0000_0000_01fe;
/// Bit 0 of a standard cluster: it reads as zeros.
const ZERO: u64 = 1;
const COMPRESSED: u64 = 1 << 62;
const COPIED: u64 = 1 << 63;
/// The unit of a compressed cluster's size, in bytes.
const SECTOR: u64 = 512;

/// Follows an L1 table, entering what it uses; ends at the first defect.
pub fn walk(
    header: &Header,
    table: &Table,
    image: &mut Image,
    report: &mut Report,
    used: &mut Ledger,
) -> Result<(), Defect> {
    let rules = Rules::new(header, table.disk, image.size().unwrap_or(0));
    let mut entries = Entries::new(table.offset, table.entries.into());
    while let Some((at, entry)) = entries.next(image)? {
        let offset = entry & OFFSET;
        if entry & L1_RESERVED != 0 || offset & (rules.cluster - 1) != 0 {
            report.finding(keys::L1_ENTRY, Place::new(at, 8), [entry, rules.cluster]);
            return Err(Defect);
        }
        if offset == 0 {
            continue;
        }
        geometry::inside(image, report, Place::new(at, 8), offset, rules.cluster)?;
        if rules.is_table(offset) {
            report.finding(keys::OVERLAP, Place::new(at, 8), [offset]);
            return Err(Defect);
        }
        used.add(offset >> header.cluster_bits, 1);
        let guest = (at - table.offset) / 8 << header.l2_reach_bits();
        l2_table(&rules, offset, guest, image, report, used)?;
    }
    Ok(())
}

/// Follows one L2 table, whose first entry maps the disk from `guest` on.
fn l2_table(
    rules: &Rules,
    table: u64,
    guest: u64,
    image: &mut Image,
    report: &mut Report,
    used: &mut Ledger,
) -> Result<(), Defect> {
    let mut done = 0;
    while done < rules.cluster {
        let chunk = image.chunk(table + done, rules.cluster - done);
        let length = chunk.len() as u64;
        let first = guest + (done >> rules.entry_bits << rules.cluster_bits);
        match rules.entries(chunk, first, used) {
            Ok(()) => (),
            Err(fault) => {
                report.finding(fault.finding, Place::new(table + done + fault.at, 8), fault.values);
                return Err(Defect);
            }
        }
        if length == 0 {
            return Err(Defect); // the file shrank under the run
        }
        done += length;
    }
    Ok(())
}

/// What is wrong with an entry, `at` bytes into a chunk.
struct Fault {
    finding: Finding,
    at: u64,
    values: [u64; 2],
}

/// What an L2 entry is held against.
struct Rules {
    version: u32,
    cluster_bits: u32,
    cluster: u64,
    /// log2 of the size of an entry.
    entry_bits: u32,
    /// Size of the file, and of the disk.
    file: u64,
    disk: u64,
    /// Last offset of a cluster that is whole in the file, plus one.
    whole: u64,
    /// Bits of a compressed cluster's descriptor that hold the offset.
    compressed_bits: u32,
    reserved: u64,
    /// Bits that a plain entry does not have.
    not_plain: u64,
    /// Offset and size of the two tables of the header.
    tables: [(u64, u64); 2],
}

impl Rules {
    fn new(header: &Header, disk: u64, file: u64) -> Rules {
        let cluster = header.cluster();
        let extended = header.l2_entry_bits() == 4;
        Rules {
            version: header.version,
            cluster_bits: header.cluster_bits,
            cluster,
            entry_bits: header.l2_entry_bits(),
            file,
            disk,
            whole: (file + 1).saturating_sub(cluster),
            compressed_bits: 62 - (header.cluster_bits - 8),
            reserved: if extended { L2_RESERVED | ZERO } else { L2_RESERVED },
            not_plain: L2_RESERVED | COMPRESSED | (cluster - 1),
            tables: [
                (header.l1_table_offset, header.l1_bytes()),
                (header.refcount_table_offset, header.refcount_table_bytes()),
            ],
        }
    }

    /// Whether an offset lies in the L1 or the refcount table.
    #[inline(always)]
    fn is_table(&self, offset: u64) -> bool {
        let [(a, a_bytes), (b, b_bytes)] = self.tables;
        offset.wrapping_sub(a) < a_bytes || offset.wrapping_sub(b) < b_bytes
    }

    /// Checks the entries of a chunk, the first of which maps `guest`.
    fn entries(&self, chunk: &[u8], guest: u64, used: &mut Ledger) -> Result<(), Fault> {
        let extended = self.entry_bits == 4;
        let mut at = 0;
        loop {
            let rest = chunk.get(at..).unwrap_or_default();
            at += if extended { self.plain::<16>(rest, used) } else { self.plain::<8>(rest, used) };
            let entry = match chunk.be64(at) {
                Some(entry) => entry,
                None => return Ok(()),
            };
            let bitmap = if extended { chunk.be64(at + 8).unwrap_or(0) } else { 0 };
            if entry & COMPRESSED != 0 {
                self.compressed(entry, bitmap, at as u64, used)?;
            } else {
                let guest = guest + ((at as u64) >> self.entry_bits << self.cluster_bits);
                self.standard(entry, bitmap, at as u64, guest, used)?;
            }
            at += 1 << self.entry_bits;
        }
    }

    /// Enters the clusters of plain entries, skips what is not set, and returns
    /// how many bytes of entries that was until the first that is neither. A
    /// walk spends its time here, and a turn of a loop is charged for all that
    /// is in it: so there is nothing else.
    #[inline(never)]
    fn plain<const BYTES: usize>(&self, entries: &[u8], used: &mut Ledger) -> usize {
        let mut passed = 0;
        let mut ledger = *used; // not in memory
        for raw in entries.chunks_exact(BYTES) {
            let entry = raw.le64(0).unwrap_or(0);
            let bitmap = if BYTES == 16 { raw.le64(8).unwrap_or(0) } else { 0 };
            if entry | bitmap != 0 {
                let entry = u64::from_be(entry);
                if !self.is_plain(entry) || bitmap as u32 & (bitmap >> 32) as u32 != 0 {
                    break;
                }
                ledger.add((entry & OFFSET) >> self.cluster_bits, 1);
            }
            passed += BYTES;
        }
        *used = ledger;
        passed
    }

    /// Whether an entry maps a whole cluster of the file, with nothing else to
    /// be said of it.
    #[inline(always)]
    fn is_plain(&self, entry: u64) -> bool {
        let offset = entry & OFFSET;
        entry & self.not_plain == 0 && offset != 0 && offset < self.whole && !self.is_table(offset)
    }

    /// Sections Standard Cluster Descriptor and Extended L2 Entries.
    fn standard(&self, entry: u64, bitmap: u64, at: u64, guest: u64, used: &mut Ledger) -> Result<(), Fault> {
        let offset = entry & OFFSET;
        // Zero clusters came with version 3.
        let reserved = if self.version < 3 { self.reserved | ZERO } else { self.reserved };
        if entry & reserved != 0 || offset & (self.cluster - 1) != 0 {
            return Err(Fault { finding: keys::L2_ENTRY, at, values: [entry, self.cluster] });
        }
        let (allocated, zero) = (bitmap as u32, (bitmap >> 32) as u32);
        if allocated & zero != 0 || (allocated != 0 && offset == 0) {
            return Err(Fault { finding: keys::L2_BITMAP, at: at + 8, values: [bitmap, entry] });
        }
        if offset == 0 {
            return Ok(());
        }
        if self.is_table(offset) {
            return Err(Fault { finding: keys::OVERLAP, at, values: [offset, 0] });
        }
        used.add(offset >> self.cluster_bits, 1);
        if offset >= self.whole {
            let end = offset + self.needed(entry, allocated, guest);
            if end > self.file {
                return Err(Fault { finding: keys::INCOMPLETE, at, values: [end, self.file] });
            }
        }
        Ok(())
    }

    /// How many bytes of a cluster a reader of the disk sees: not what lies
    /// behind the end of the disk, and not what reads as zeros. The last
    /// cluster of a file may end there.
    fn needed(&self, entry: u64, allocated: u32, guest: u64) -> u64 {
        let mapped = if self.entry_bits == 4 {
            u64::from(32 - allocated.leading_zeros()) << (self.cluster_bits - 5)
        } else if entry & ZERO != 0 {
            0
        } else {
            self.cluster
        };
        if guest < self.disk {
            mapped.min(self.disk - guest)
        } else {
            mapped.min(1)
        }
    }

    /// Section Compressed Clusters Descriptor: an offset in bytes, and the
    /// number of sectors beyond the one it lies in.
    fn compressed(&self, entry: u64, bitmap: u64, at: u64, used: &mut Ledger) -> Result<(), Fault> {
        let offset = entry & ((1 << self.compressed_bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> self.compressed_bits;
        if entry & COPIED != 0 || offset < self.cluster || offset & !((OFFSET | (SECTOR - 1))) != 0 {
            return Err(Fault { finding: keys::L2_ENTRY, at, values: [entry, self.cluster] });
        }
        if bitmap != 0 {
            return Err(Fault { finding: keys::L2_BITMAP, at: at + 8, values: [bitmap, entry] });
        }
        // The data ends somewhere in the last sector, and the file may end
        // there too.
        let last = (offset & !(SECTOR - 1)) + SECTOR * sectors;
        if last >= self.file {
            return Err(Fault { finding: keys::INCOMPLETE, at, values: [last + 1, self.file] });
        }
        let mut cluster = offset >> self.cluster_bits;
        while cluster <= last >> self.cluster_bits {
            used.add(cluster, 1);
            cluster += 1;
        }
        Ok(())
    }
}
