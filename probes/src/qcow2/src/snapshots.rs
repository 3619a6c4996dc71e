//! The snapshot table (section Snapshots).

use crate::geometry;
use crate::header::Header;
use crate::ledger::Ledger;
use crate::mapping::{self, Table};
use crate::Defect;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Image, Place, Report};

const NB_SNAPSHOTS: Place = Place::new(60, 4);
const SNAPSHOTS_OFFSET: Place = Place::new(64, 8);

/// Bytes of an entry before its extra data.
const FIXED: u64 = 40;
/// Extra data that holds the size of the disk.
const EXTRA_WITH_DISK_SIZE: u32 = 16;
/// What a header run reads of the table; a deep run reads all of it. Thousands
/// of snapshots with names of usual length fit.
const HEADER_RUN: u64 = 256 << 10;

/// Checks the table and returns the bytes of the snapshots' mapping tables.
pub fn check(header: &Header, image: &mut Image, report: &mut Report) -> Result<u64, Defect> {
    report.number(keys::SNAPSHOTS, NB_SNAPSHOTS, header.nb_snapshots.into());
    let least = FIXED * u64::from(header.nb_snapshots);
    if header.nb_snapshots != 0 {
        report.finding(keys::INTERNAL_SNAPSHOTS, NB_SNAPSHOTS, [header.nb_snapshots.into()]);
    }
    geometry::table(header, image, report, keys::SNAPSHOTS_OFFSET, SNAPSHOTS_OFFSET, header.snapshots_offset, least)?;
    let mut bytes = 0u64;
    let mut entries = Entries::new(header);
    while let Some(entry) = entries.next(header, image, report)? {
        entry.check(header, image, report)?;
        bytes = bytes.saturating_add(geometry::mapping_bytes(header, entry.table.entries.into(), entry.table.disk));
        if !image.deep() && entries.at - header.snapshots_offset > HEADER_RUN {
            break;
        }
    }
    Ok(bytes)
}

/// Follows the mapping of every snapshot, entering what is used.
pub fn walk(header: &Header, image: &mut Image, report: &mut Report, used: &mut Ledger) -> Result<(), Defect> {
    let mut entries = Entries::new(header);
    while let Some(entry) = entries.next(header, image, report)? {
        used.add_range(header, entry.table.offset, 8 * u64::from(entry.table.entries));
        mapping::walk(header, &entry.table, image, report, used)?;
    }
    if header.nb_snapshots != 0 {
        used.add_range(header, header.snapshots_offset, entries.last_end - header.snapshots_offset);
    }
    Ok(())
}

struct Entry {
    at: u64,
    table: Table,
    has_disk_size: bool,
}

impl Entry {
    fn check(&self, header: &Header, image: &Image, report: &mut Report) -> Result<(), Defect> {
        let (table, bytes) = (&self.table, 8 * u64::from(self.table.entries));
        let covers = !self.has_disk_size || u64::from(table.entries) >= header.l1_entries(table.disk);
        if (bytes != 0 && !header.is_offset(table.offset, bytes)) || !covers {
            report.finding(keys::SNAPSHOT_ENTRY, Place::new(self.at, 12), [table.offset, table.entries.into()]);
            return Err(Defect);
        }
        geometry::inside(image, report, Place::new(self.at, 12), table.offset, bytes)
    }
}

/// Steps through the table, whose entries differ in size.
struct Entries {
    at: u64,
    /// Where the last entry ends, without the padding behind it.
    last_end: u64,
    left: u32,
}

impl Entries {
    fn new(header: &Header) -> Entries {
        Entries { at: header.snapshots_offset, last_end: header.snapshots_offset, left: header.nb_snapshots }
    }

    fn next(&mut self, header: &Header, image: &mut Image, report: &mut Report) -> Result<Option<Entry>, Defect> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let at = self.at;
        let (table, id, name, extra) = match image.bytes(at, FIXED as usize) {
            Some(b) => (
                (b.be64(0).unwrap_or(0), b.be32(8).unwrap_or(0)),
                b.be16(12).unwrap_or(0),
                b.be16(14).unwrap_or(0),
                b.be32(36).unwrap_or(0),
            ),
            None => {
                geometry::inside(image, report, SNAPSHOTS_OFFSET, at, FIXED)?;
                return Ok(None); // not arrived
            }
        };
        let has_disk_size = extra >= EXTRA_WITH_DISK_SIZE;
        let disk = match image.be64(at + FIXED + 8) {
            Some(size) if has_disk_size => size,
            _ => header.size,
        };
        self.last_end = at + FIXED + u64::from(extra) + u64::from(id) + u64::from(name);
        geometry::inside(image, report, Place::new(at, FIXED), at, self.last_end - at)?;
        self.at = (self.last_end + 7) & !7;
        Ok(Some(Entry { at, table: Table { offset: table.0, entries: table.1, disk }, has_disk_size }))
    }
}
