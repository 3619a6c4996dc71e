//! The mapping (section Grain Directory and Grain Tables): from a grain
//! directory, and its redundant copy where there is one, over the grain tables
//! to the grains, and in a compressed file to the grains' markers.

use crate::footer;
use crate::header::{self, Header, ENTRY, TABLE_BYTES, TABLE_ENTRIES};
use crate::{Defect, SECTOR};
use assay_probe::keys::vmdk as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Grains whose markers are compared with their place, each of which is a read
/// of its own; behind that many it is the first grain of each table.
pub const MARKERS: u64 = 1 << 16;

/// Directory entries read at a time.
const BATCH: usize = 128;
const TABLE: usize = TABLE_ENTRIES as usize;
/// Bytes of a grain's marker before its data.
const MARKER: u64 = 12;
/// Entry of a grain that reads as zeros.
const ZEROED: u32 = 1;

/// Follows the directory at a sector; ends at the first defect.
pub fn walk(header: &Header, gd_offset: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let size = image.size().unwrap_or(0);
    let mut walk = Walk {
        header,
        size,
        data_end: if header.has_footer() { size.saturating_sub(footer::LENGTH) } else { size },
        directories: [sectors(header, gd_offset), (0, 0)],
        markers: MARKERS,
    };
    if header.has_redundant_tables() {
        walk.directories[1] = sectors(header, header.rgd_offset);
    }
    if header.has_footer() {
        metadata_marker(gd_offset, footer::GRAIN_DIRECTORY, image, report)?;
    }
    walk.directory(gd_offset, image, report)
}

/// First sector of a directory, and the first behind it.
fn sectors(header: &Header, offset: u64) -> (u64, u64) {
    (offset, offset.saturating_add((header.directory_bytes() + SECTOR - 1) / SECTOR))
}

struct Walk<'h> {
    header: &'h Header,
    size: u64,
    /// Where the footer starts, or the end of the file, in bytes.
    data_end: u64,
    /// First sector, and the first behind, of the directories.
    directories: [(u64, u64); 2],
    /// Markers left to compare.
    markers: u64,
}

impl Walk<'_> {
    fn directory(&mut self, gd_offset: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        let (mut entries, mut copies) = ([0u32; BATCH], [0u32; BATCH]);
        let (mut table, mut copied) = ([0u32; TABLE], [0u32; TABLE]);
        let mut index = 0;
        while index < self.header.tables() {
            let count = (self.header.tables() - index).min(BATCH as u64) as usize;
            let at = gd_offset * SECTOR + ENTRY * index;
            load(&mut entries, count, at, image)?;
            let copies_at = self.header.rgd_offset.saturating_mul(SECTOR).saturating_add(ENTRY * index);
            if self.header.has_redundant_tables() {
                load(&mut copies, count, copies_at, image)?;
            }
            for (i, (&entry, &copy)) in entries.iter().zip(&copies).take(count).enumerate() {
                let guest = (index + i as u64) * u64::from(TABLE_ENTRIES) * self.header.grain_size;
                let place = Place::new(at + ENTRY * i as u64, ENTRY);
                if self.header.has_redundant_tables() {
                    let copy_place = Place::new(copies_at + ENTRY * i as u64, ENTRY);
                    self.load_table(&mut table, entry, place, image, report)?;
                    self.load_table(&mut copied, copy, copy_place, image, report)?;
                    if (entry == 0) != (copy == 0) || (entry != 0 && table != copied) {
                        report.finding(keys::REDUNDANT_TABLES, copy_place, [guest]);
                        return Err(Defect);
                    }
                } else {
                    self.load_table(&mut table, entry, place, image, report)?;
                }
                if entry != 0 {
                    self.table(&table, entry, guest, image, report)?;
                }
            }
            index += count as u64;
        }
        Ok(())
    }

    /// Reads the grain table that a directory entry points to, if it does.
    fn load_table(
        &self,
        table: &mut [u32; TABLE],
        entry: u32,
        place: Place,
        image: &mut Image,
        report: &mut Report,
    ) -> Result<(), Defect> {
        if entry == 0 {
            return Ok(());
        }
        self.inside(entry, TABLE_BYTES, place, report)?;
        if u64::from(entry) < self.header.behind_descriptor() || self.hits_directory(entry, TABLE_BYTES) {
            report.finding(keys::OVERLAP, place, [entry.into()]);
            return Err(Defect);
        }
        if self.header.has_footer() {
            metadata_marker(entry.into(), footer::GRAIN_TABLE, image, report)?;
        }
        load(table, TABLE, u64::from(entry) * SECTOR, image)
    }

    /// Checks the entries of a table, whose first grain is at sector `guest`.
    fn table(
        &mut self,
        table: &[u32; TABLE],
        sector: u32,
        guest: u64,
        image: &mut Image,
        report: &mut Report,
    ) -> Result<(), Defect> {
        let zeroed = self.header.flags & header::ZEROED_GRAINS != 0;
        let mut first = true;
        for (i, &grain) in table.iter().enumerate() {
            let guest = guest + i as u64 * self.header.grain_size;
            if guest >= self.header.capacity {
                break;
            }
            if grain == 0 || (grain == ZEROED && zeroed) {
                continue;
            }
            let place = Place::new(u64::from(sector) * SECTOR + ENTRY * i as u64, ENTRY);
            let bytes = if self.header.is_compressed() {
                MARKER + 1
            } else {
                // The last grain of the disk may be cut where the disk is.
                self.header.grain_size.min(self.header.capacity - guest) * SECTOR
            };
            self.inside(grain, bytes, place, report)?;
            let low = self.header.over_head.max(self.header.behind_descriptor());
            let is_table = touches(grain.into(), bytes, u64::from(sector), u64::from(sector) + TABLE_BYTES / SECTOR);
            if u64::from(grain) < low || is_table || self.hits_directory(grain, bytes) {
                report.finding(keys::OVERLAP, place, [grain.into()]);
                return Err(Defect);
            }
            if self.header.is_compressed() && (first || self.markers > 0) {
                self.markers = self.markers.saturating_sub(1);
                self.grain_marker(grain, guest, image, report)?;
            }
            first = false;
        }
        Ok(())
    }

    /// Compares a grain's marker with the place it is mapped to.
    fn grain_marker(&self, grain: u32, guest: u64, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
        let at = u64::from(grain) * SECTOR;
        let place = Place::new(at, MARKER);
        let marker = image.chunk(at, MARKER);
        let (lba, size) = match (marker.le64(0), marker.le32(8)) {
            (Some(lba), Some(size)) => (lba, u64::from(size)),
            _ => return Err(Defect), // the file shrank under the run
        };
        // Readers hold two grains of compressed data and marker.
        if lba != guest || size == 0 || MARKER + size > 2 * self.header.grain_bytes() {
            report.finding(keys::GRAIN_MARKER, place, [lba, guest]);
            return Err(Defect);
        }
        self.inside(grain, MARKER + size, place, report)
    }

    /// Reports what reaches behind the file, or into its footer.
    fn inside(&self, sector: u32, bytes: u64, place: Place, report: &mut Report) -> Result<(), Defect> {
        let end = u64::from(sector) * SECTOR + bytes;
        if end > self.size {
            report.finding(keys::INCOMPLETE, place, [end, self.size]);
            return Err(Defect);
        }
        if end > self.data_end {
            report.finding(keys::OVERLAP, place, [sector.into()]);
            return Err(Defect);
        }
        Ok(())
    }

    fn hits_directory(&self, sector: u32, bytes: u64) -> bool {
        self.directories.into_iter().any(|(start, end)| touches(sector.into(), bytes, start, end))
    }
}

/// Whether bytes from a sector on lie in the sectors from `start` to `end`.
fn touches(sector: u64, bytes: u64, start: u64, end: u64) -> bool {
    sector < end && start < sector + (bytes + SECTOR - 1) / SECTOR
}

/// Checks the marker in the sector before a table of a file with a footer.
fn metadata_marker(table: u64, kind: u32, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let at = table.saturating_sub(1) * SECTOR;
    let found = footer::marker_type(image.chunk(at, 16));
    if found != Some(kind) {
        report.finding(keys::METADATA_MARKER, Place::new(at, 16), [found.unwrap_or(0).into(), kind.into()]);
        return Err(Defect);
    }
    Ok(())
}

/// Reads the first `count` entries of a table at an offset.
fn load(entries: &mut [u32], count: usize, at: u64, image: &mut Image) -> Result<(), Defect> {
    let bytes = image.bytes(at, count * ENTRY as usize).ok_or(Defect)?;
    for (to, from) in entries.iter_mut().zip(bytes.chunks_exact(ENTRY as usize)) {
        *to = from.le32(0).unwrap_or(0);
    }
    Ok(())
}
