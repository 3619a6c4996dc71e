//! Whether the header's numbers fit together, and whether what it points to
//! is in the file (section Hosted Sparse Extents; vmdk_open_vmdk4 of qemu's
//! driver).

use crate::footer;
use crate::header::{self, Header};
use crate::{Defect, SECTOR};
use assay_probe::keys::{self as core_keys, vmdk as keys};
use assay_probe::{Image, Place, Report};

const VERSION: Place = Place::new(4, 4);
const FLAGS: Place = Place::new(8, 4);
const CAPACITY: Place = Place::new(12, 8);
const GRAIN_SIZE: Place = Place::new(20, 8);
const NUM_GTES_PER_GT: Place = Place::new(44, 4);
const RGD_OFFSET: Place = Place::new(48, 8);
pub const GD_OFFSET: Place = Place::new(56, 8);
const OVER_HEAD: Place = Place::new(64, 8);
const UNCLEAN_SHUTDOWN: Place = Place::new(72, 1);
const LINE_ENDS: Place = Place::new(73, 4);
const COMPRESS_ALGORITHM: Place = Place::new(77, 2);

const MAX_VERSION: u32 = 3;
/// Zeroed grains came with this version.
const ZEROED_GRAINS_VERSION: u32 = 2;
/// Largest sector whose offset a file can have.
const MAX_SECTOR: u64 = i64::MAX as u64 / SECTOR;
/// "Greater than 8 sectors."
const MIN_GRAIN: u64 = 16;
/// Bound of the driver: 1 GiB.
const MAX_GRAIN: u64 = 1 << 21;
/// "\n", " ", "\r\n".
const NEWLINES: u32 = u32::from_le_bytes(*b"\n \r\n");
const KNOWN_FLAGS: u32 =
    header::LINE_ENDS | header::REDUNDANT | header::ZEROED_GRAINS | header::COMPRESSED | header::MARKERS;
/// The only method there is (RFC 1950).
const DEFLATE: u16 = 1;

/// Reports what the header says of itself; an error means that the tables
/// cannot be found. Of a disk in other files only this part is of use.
pub fn check_version(header: &Header, report: &mut Report) -> Result<(), Defect> {
    report.number(keys::VERSION, VERSION, header.version.into());
    if header.unclean_shutdown != 0 {
        report.finding(keys::DIRTY, UNCLEAN_SHUTDOWN, []);
    }
    if header.flags & !KNOWN_FLAGS != 0 {
        report.finding(keys::UNKNOWN_FLAGS, FLAGS, [u64::from(header.flags & !KNOWN_FLAGS)]);
    }
    let mut result = Ok(());
    if header.flags & header::LINE_ENDS != 0 && header.line_ends != NEWLINES {
        report.finding(keys::LINE_ENDS, LINE_ENDS, [header.line_ends.into()]);
        result = Err(Defect);
    }
    if header.version == 0 || header.version > MAX_VERSION {
        report.finding(keys::UNKNOWN_VERSION, VERSION, [header.version.into(), MAX_VERSION.into()]);
        return Err(Defect);
    }
    result
}

/// Reports the geometry of the disk in this file.
pub fn check(header: &Header, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    if header.capacity == 0 || header.capacity > MAX_SECTOR {
        report.finding(keys::CAPACITY, CAPACITY, [header.capacity, MAX_SECTOR]);
        return Err(Defect);
    }
    // Where header and footer differ, qemu's driver believes the footer.
    let capacity = footer::capacity(header, image).unwrap_or(header.capacity);
    report.number(core_keys::VIRTUAL_SIZE, CAPACITY, capacity.saturating_mul(SECTOR));
    report.flag(keys::COMPRESSED, COMPRESS_ALGORITHM, header.is_compressed());
    report.flag(keys::FOOTER, GD_OFFSET, header.has_footer());
    let flags = compression(header, report);
    grains(header, report)?;
    flags?;
    inside(image, report, OVER_HEAD, header.over_head, 0)?;
    if header.has_redundant_tables() {
        directory(header, image, report, RGD_OFFSET, header.rgd_offset)?;
    }
    if !header.has_footer() {
        directory(header, image, report, GD_OFFSET, header.gd_offset)?;
        if header.has_redundant_tables() && overlap(header, header.gd_offset, header.rgd_offset) {
            report.finding(keys::OVERLAP, RGD_OFFSET, [header.rgd_offset]);
            return Err(Defect);
        }
    }
    Ok(())
}

/// Flags and method must say the same, or readers take grains for what they
/// are not.
fn compression(header: &Header, report: &mut Report) -> Result<(), Defect> {
    let bits = header.flags & (header::COMPRESSED | header::MARKERS);
    let fits = match header.compress_algorithm {
        0 => bits == 0 && !header.has_footer(),
        DEFLATE => bits == header::COMPRESSED | header::MARKERS,
        _ => false,
    };
    if !fits {
        contradiction(header, report);
        return Err(Defect);
    }
    if header.flags & header::ZEROED_GRAINS != 0 && header.version < ZEROED_GRAINS_VERSION {
        report.finding(keys::ZEROED_GRAINS, FLAGS, [header.version.into(), ZEROED_GRAINS_VERSION.into()]);
        return Err(Defect);
    }
    Ok(())
}

/// Reports that method, flags and createType contradict each other.
pub fn contradiction(header: &Header, report: &mut Report) {
    report.finding(keys::COMPRESSION, COMPRESS_ALGORITHM, [header.compress_algorithm.into(), header.flags.into()]);
}

fn grains(header: &Header, report: &mut Report) -> Result<(), Defect> {
    let size = header.grain_size;
    if !(MIN_GRAIN..=MAX_GRAIN).contains(&size) || size & (size - 1) != 0 {
        report.finding(keys::GRAIN_SIZE, GRAIN_SIZE, [size, MAX_GRAIN]);
        return Err(Defect);
    }
    report.number(keys::GRAIN_BYTES, GRAIN_SIZE, header.grain_bytes());
    if header.num_gtes_per_gt != header::TABLE_ENTRIES {
        let values = [header.num_gtes_per_gt.into(), header::TABLE_ENTRIES.into()];
        report.finding(keys::GRAIN_TABLE_SIZE, NUM_GTES_PER_GT, values);
        return Err(Defect);
    }
    report.number(keys::GRAIN_DIRECTORY_BYTES, CAPACITY, header.directory_bytes());
    Ok(())
}

/// Checks the place of a grain directory, in sectors.
pub fn directory(header: &Header, image: &Image, report: &mut Report, field: Place, at: u64) -> Result<(), Defect> {
    if at < header.behind_descriptor() || at > MAX_SECTOR {
        report.finding(keys::DIRECTORY_OFFSET, field, [at]);
        return Err(Defect);
    }
    inside(image, report, field, at, header.directory_bytes())
}

/// Whether two grain directories share bytes.
fn overlap(header: &Header, a: u64, b: u64) -> bool {
    let sectors = (header.directory_bytes() + SECTOR - 1) / SECTOR;
    a < b.saturating_add(sectors) && b < a.saturating_add(sectors)
}

/// Reports `incomplete` when the file ends before the `bytes` from a sector on
/// that a field points to.
pub fn inside(image: &Image, report: &mut Report, field: Place, sector: u64, bytes: u64) -> Result<(), Defect> {
    let at = sector.saturating_mul(SECTOR);
    if image.ends_before(at, bytes) {
        report.finding(keys::INCOMPLETE, field, [at.saturating_add(bytes), image.size().unwrap_or(0)]);
        return Err(Defect);
    }
    Ok(())
}

/// Bytes that checking the marker of a grain may take from the budget of the
/// deep run, which allows a read for every so many.
const MARKER_COST: u64 = 128;

/// Reports how much a deep run reads at most.
pub fn metadata_bytes(header: &Header, markers: u64, report: &mut Report) {
    let copies = 1 + u64::from(header.has_redundant_tables());
    let tables = header.tables().saturating_mul(header::TABLE_BYTES + header::ENTRY).saturating_mul(copies);
    let markers = if header.is_compressed() { MARKER_COST * markers } else { 0 };
    report.number(core_keys::METADATA_BYTES, Place::NONE, tables.saturating_add(markers));
}
