//! The BAT (section BAT): an entry for each cluster of the disk, with the
//! place of the cluster in the file that holds it.

use crate::header::{self, Header, BAT_ENTRY, LENGTH, SECTOR};
use crate::Defect;
use assay_probe::keys::parallels as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Goes over the BAT; ends at the first defect.
pub fn walk(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    let file = image.size().unwrap_or(0);
    let disk = header.nb_sectors * SECTOR;
    let unit = if header.extended { header.tracks } else { 1 };
    let (mut done, mut guest, mut mapped) = (0, 0, 0u64);
    while done < header.bat_bytes() {
        let chunk = image.chunk(LENGTH + done, header.bat_bytes() - done);
        if chunk.len() < BAT_ENTRY as usize {
            return Err(Defect); // the file shrank under the run
        }
        for raw in chunk.chunks_exact(BAT_ENTRY as usize) {
            let place = Place::new(LENGTH + done, BAT_ENTRY);
            // What lies behind the end of the disk nobody reads.
            let seen = header.cluster().min(disk.saturating_sub(guest));
            done += BAT_ENTRY;
            guest += header.cluster();
            let entry = raw.le32(0).unwrap_or(0);
            if entry == 0 {
                continue;
            }
            let sector = u64::from(entry) * u64::from(unit);
            if header.flags & header::EMPTY != 0 {
                report.finding(keys::EMPTY_FLAG, header::FLAGS, [sector]);
                return Err(Defect);
            }
            if !header.is_cluster(sector) {
                report.finding(keys::BAT_ENTRY, place, [sector, header.data_start()]);
                return Err(Defect);
            }
            let end = sector * SECTOR + seen;
            if end > file {
                report.finding(keys::INCOMPLETE, place, [end, file]);
                return Err(Defect);
            }
            mapped += 1;
        }
    }
    // Entries that are there twice are not looked for one by one; more of them
    // than fit would let a small file stand for a large disk.
    let room = file / header.cluster() + 1;
    if mapped > room {
        report.finding(keys::OVERLAP, Place::new(LENGTH, header.bat_bytes()), [mapped, room]);
        return Err(Defect);
    }
    Ok(())
}
