//! Whether the header's numbers fit together, and whether what it points to
//! is in the file (section Header; qcow2_do_open of qemu's driver).

use crate::header::{self, Header, MAX_OFFSET};
use crate::Defect;
use assay_probe::keys::{self as core_keys, qcow2 as keys};
use assay_probe::{Finding, Image, Place, Report};

const CLUSTER_BITS: Place = Place::new(20, 4);
const SIZE: Place = Place::new(24, 8);
const L1_SIZE: Place = Place::new(36, 4);
const L1_TABLE_OFFSET: Place = Place::new(40, 8);
const REFCOUNT_TABLE_OFFSET: Place = Place::new(48, 8);
const REFCOUNT_TABLE_CLUSTERS: Place = Place::new(56, 4);
const REFCOUNT_ORDER: Place = Place::new(96, 4);
const HEADER_LENGTH: Place = Place::new(100, 4);

const MIN_CLUSTER_BITS: u32 = 9;
/// With 32 subclusters of at least 512 bytes each.
const MIN_EXTENDED_CLUSTER_BITS: u32 = 14;
pub const MAX_CLUSTER_BITS: u32 = 21;
const MAX_REFCOUNT_ORDER: u32 = 6;
const V3_LENGTH: u32 = 104;
/// The driver rounds a size down to whole sectors.
const SECTOR: u64 = 512;

/// Reports the geometry; an error means that the tables cannot be found.
pub fn check(header: &Header, image: &Image, report: &mut Report) -> Result<(), Defect> {
    if header.size > MAX_OFFSET {
        report.finding(keys::VIRTUAL_SIZE, SIZE, [header.size, MAX_OFFSET]);
        return Err(Defect);
    }
    report.number(core_keys::VIRTUAL_SIZE, SIZE, header.size & !(SECTOR - 1));
    clusters(header, report)?;
    let l1 = l1_table(header, image, report);
    let refcounts = refcount_table(header, image, report);
    l1.and(refcounts)?;
    no_overlap(header, report)
}

/// Whether cluster_bits is one that the specification allows.
pub fn has_valid_clusters(header: &Header) -> bool {
    (min_cluster_bits(header)..=MAX_CLUSTER_BITS).contains(&header.cluster_bits)
}

fn min_cluster_bits(header: &Header) -> u32 {
    match header.incompatible & header::EXTENDED_L2 {
        0 => MIN_CLUSTER_BITS,
        _ => MIN_EXTENDED_CLUSTER_BITS,
    }
}

fn clusters(header: &Header, report: &mut Report) -> Result<(), Defect> {
    if !has_valid_clusters(header) {
        let values = [header.cluster_bits.into(), min_cluster_bits(header).into()];
        report.finding(keys::CLUSTER_BITS, CLUSTER_BITS, values);
        return Err(Defect);
    }
    report.number(keys::CLUSTER_SIZE, CLUSTER_BITS, header.cluster());
    let mut result = Ok(());
    let length = header.header_length;
    if header.version >= 3 && (length < V3_LENGTH || length % 8 != 0 || u64::from(length) > header.cluster()) {
        report.finding(keys::HEADER_LENGTH, HEADER_LENGTH, [length.into(), header.cluster()]);
        result = Err(Defect);
    }
    if header.refcount_order > MAX_REFCOUNT_ORDER {
        report.finding(keys::REFCOUNT_ORDER, REFCOUNT_ORDER, [header.refcount_order.into(), MAX_REFCOUNT_ORDER.into()]);
        return Err(Defect);
    }
    report.number(keys::REFCOUNT_BITS, REFCOUNT_ORDER, 1 << header.refcount_order);
    result
}

fn l1_table(header: &Header, image: &Image, report: &mut Report) -> Result<(), Defect> {
    report.number(keys::L1_BYTES, L1_SIZE, header.l1_bytes());
    let needed = header.l1_entries(header.size);
    if u64::from(header.l1_size) < needed {
        report.finding(keys::L1_SIZE, L1_SIZE, [header.l1_size.into(), needed]);
        return Err(Defect);
    }
    // A disk of zero bytes needs no table.
    table(header, image, report, keys::L1_OFFSET, L1_TABLE_OFFSET, header.l1_table_offset, header.l1_bytes())
}

fn refcount_table(header: &Header, image: &Image, report: &mut Report) -> Result<(), Defect> {
    report.number(keys::REFCOUNT_TABLE_BYTES, REFCOUNT_TABLE_CLUSTERS, header.refcount_table_bytes());
    if header.refcount_table_clusters == 0 {
        report.finding(keys::REFCOUNT_TABLE_CLUSTERS, REFCOUNT_TABLE_CLUSTERS, [0, 1]);
        return Err(Defect);
    }
    let (offset, bytes) = (header.refcount_table_offset, header.refcount_table_bytes());
    table(header, image, report, keys::REFCOUNT_TABLE_OFFSET, REFCOUNT_TABLE_OFFSET, offset, bytes)
}

/// Checks a table that a header field points to: its offset, and that it is
/// in the file. `invalid` is the finding for an offset no table can have; an
/// empty table may also be at 0.
pub fn table(
    header: &Header,
    image: &Image,
    report: &mut Report,
    invalid: Finding,
    field: Place,
    offset: u64,
    bytes: u64,
) -> Result<(), Defect> {
    let fits = if bytes == 0 { header.is_place(offset, 0) } else { header.is_offset(offset, bytes) };
    if !fits {
        report.finding(invalid, field, [offset, header.cluster()]);
        return Err(Defect);
    }
    match bytes {
        0 => Ok(()),
        _ => inside(image, report, field, offset, bytes),
    }
}

/// Reports `incomplete` when the file ends before what a field points to.
pub fn inside(image: &Image, report: &mut Report, field: Place, offset: u64, bytes: u64) -> Result<(), Defect> {
    if image.ends_before(offset, bytes) {
        let size = image.size().unwrap_or(0);
        report.finding(keys::INCOMPLETE, field, [offset.saturating_add(bytes), size]);
        return Err(Defect);
    }
    Ok(())
}

/// The tables of the header must not lie over each other; being aligned and
/// not at 0, they cannot lie over the header.
fn no_overlap(header: &Header, report: &mut Report) -> Result<(), Defect> {
    let (l1, l1_bytes) = (header.l1_table_offset, header.l1_bytes());
    let (refcounts, refcount_bytes) = (header.refcount_table_offset, header.refcount_table_bytes());
    if l1 < refcounts.saturating_add(refcount_bytes) && refcounts < l1.saturating_add(l1_bytes) {
        report.finding(keys::OVERLAP, L1_TABLE_OFFSET, [l1.max(refcounts)]);
        return Err(Defect);
    }
    Ok(())
}

/// Reports how much a deep run reads at most. `snapshots` is the share of the
/// snapshots' mapping tables.
pub fn metadata_bytes(header: &Header, snapshots: u64, image: &Image, report: &mut Report) {
    let clusters = header.clusters(image.size().unwrap_or(0));
    let block_entries_bits = header.cluster_bits + 3 - header.refcount_order;
    let blocks = (clusters >> block_entries_bits) + 1;
    let total = mapping_bytes(header, header.l1_size.into(), header.size)
        .saturating_add(snapshots)
        .saturating_add(header.refcount_table_bytes())
        .saturating_add(blocks << header.cluster_bits);
    report.number(core_keys::METADATA_BYTES, Place::NONE, total);
}

/// Size of an L1 table of some entries and the L2 tables it needs for a disk
/// of `size` bytes.
pub fn mapping_bytes(header: &Header, l1_entries: u64, size: u64) -> u64 {
    let tables = header.l1_entries(size).min(l1_entries);
    (8 * l1_entries).saturating_add(tables << header.cluster_bits)
}
