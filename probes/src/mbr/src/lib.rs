//! The mbr probe: a disk with a master boot record. There is no specification;
//! the layout is that of the IBM PC/AT.
//!
//! The signature 55AA alone says little: boot sectors of file systems end in
//! it too. So a match takes a partition table that means something, and no
//! FAT, exFAT or NTFS in the same sector. What is wrong with the partitions is
//! reported; the disk stays the raw disk it is.

#![cfg_attr(target_arch = "wasm32", no_std)]

use assay_probe::keys::{self as core_keys, mbr as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 512,
    cache: 512,
    chunk: 0,
    run: crate::run,
}

const SECTOR: u64 = 512;
const TABLE: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: usize = 510;

/// Logical partitions that are followed; Linux names no more than 256 - 4.
const MAX_LOGICAL: u32 = 128;

/// Types of a partition.
const EMPTY: u8 = 0x00;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const PROTECTIVE: u8 = 0xee;

#[derive(Clone, Copy)]
struct Partition {
    status: u8,
    kind: u8,
    /// First sector and number of sectors.
    start: u64,
    count: u64,
    place: Place,
}

impl Partition {
    /// Reads entry `index` of the table in a sector that lies at `base` bytes.
    fn read(sector: &[u8], base: u64, index: usize) -> Partition {
        let at = TABLE + ENTRY * index;
        let entry = sector.get(at..at + ENTRY).unwrap_or_default();
        Partition {
            status: entry.u8(0).unwrap_or(0),
            kind: entry.u8(4).unwrap_or(EMPTY),
            start: entry.le32(8).unwrap_or(0).into(),
            count: entry.le32(12).unwrap_or(0).into(),
            place: Place::new(base + at as u64, ENTRY as u64),
        }
    }

    fn end(&self) -> u64 {
        self.start + self.count
    }

    fn is_extended(&self) -> bool {
        EXTENDED.contains(&self.kind)
    }

    /// Whether tools would take the entry for what it is: a status of 00 or
    /// 80, and sectors unless it is empty.
    fn is_plausible(&self) -> bool {
        matches!(self.status, 0x00 | 0x80) && (self.kind == EMPTY || self.count != 0)
    }

    /// Whether the entry is a partition of this table's own.
    fn is_real(&self) -> bool {
        self.kind != EMPTY && self.kind != PROTECTIVE
    }
}

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if head.get(SIGNATURE..SIGNATURE + 2) != Some(b"\x55\xaa") || is_file_system(head) {
        return Outcome::NoMatch;
    }
    let table = [0, 1, 2, 3].map(|i| Partition::read(head, 0, i));
    if !table.iter().all(Partition::is_plausible) || table.iter().all(|p| p.kind == EMPTY) {
        return Outcome::NoMatch;
    }
    if let Some(size) = image.size() {
        report.number(core_keys::VIRTUAL_SIZE, Place::NONE, size);
    }
    report.flag(keys::PROTECTIVE, Place::new(TABLE as u64, 64), table.iter().any(|p| p.kind == PROTECTIVE));
    let mut partitions = 0;
    for p in table.iter().filter(|p| p.kind != EMPTY) {
        partitions += 1;
        // A protective entry covers the disk, or all that its fields can say.
        if p.is_real() {
            inside(p, image, report);
        }
        if p.is_extended() {
            partitions += logical(p, image, report);
        }
    }
    overlaps(&table, report);
    report.number(keys::PARTITIONS, Place::new(TABLE as u64, 64), partitions);
    Outcome::Match
}

fn inside(p: &Partition, image: &Image, report: &mut Report) {
    if image.ends_before(p.start * SECTOR, p.count * SECTOR) {
        report.finding(keys::BEYOND_DISK, p.place, [p.end() * SECTOR, image.size().unwrap_or(0)]);
    }
}

fn overlaps(table: &[Partition; 4], report: &mut Report) {
    let mut rest = &table[..];
    while let Some((a, behind)) = rest.split_first() {
        for b in behind.iter().filter(|b| a.is_real() && b.is_real()) {
            if a.start < b.end() && b.start < a.end() {
                report.finding(keys::OVERLAP, b.place, [a.start.max(b.start) * SECTOR]);
            }
        }
        rest = behind;
    }
}

/// Follows the chain of extended boot records in an extended partition and
/// returns how many partitions it has. Each record has the partition behind it
/// in its first entry, and the next record in its second.
fn logical(extended: &Partition, image: &mut Image, report: &mut Report) -> u64 {
    let mut partitions = 0;
    let mut record = extended.start;
    for step in 0..=MAX_LOGICAL {
        let base = record * SECTOR;
        let broken = Place::new(base, SECTOR);
        let streaming = image.size().is_none();
        let sector = match image.bytes(base, SECTOR as usize) {
            Some(sector) if step < MAX_LOGICAL => sector,
            None if streaming => break,
            _ => {
                report.finding(keys::LOGICAL_CHAIN, broken, [base]);
                break;
            }
        };
        let (partition, next) = (Partition::read(sector, base, 0), Partition::read(sector, base, 1));
        let signature = sector.le16(SIGNATURE);
        if signature != Some(0xaa55) {
            // An extended partition that was never written to is empty.
            if step != 0 || signature != Some(0) || partition.kind != EMPTY || next.kind != EMPTY {
                report.finding(keys::LOGICAL_CHAIN, broken, [base]);
            }
            break;
        }
        if partition.kind != EMPTY {
            partitions += 1;
            inside(&Partition { start: record + partition.start, ..partition }, image, report);
        }
        if next.kind == EMPTY {
            break;
        }
        record = extended.start + next.start;
        if !next.is_extended() || next.start >= extended.count {
            report.finding(keys::LOGICAL_CHAIN, next.place, [record * SECTOR]);
            break;
        }
    }
    partitions
}

/// Whether the sector is the boot sector of a file system: NTFS, exFAT, or a
/// FAT with a BIOS parameter block that holds together.
fn is_file_system(head: &[u8]) -> bool {
    match head.get(3..11) {
        Some(b"NTFS    " | b"EXFAT   ") => return true,
        _ => (),
    }
    let jump = matches!(head.get(..3), Some([0xeb, _, 0x90] | [0xe9, _, _]));
    let sector = matches!(head.le16(11), Some(512 | 1024 | 2048 | 4096));
    let cluster = head.u8(13).map_or(false, u8::is_power_of_two);
    let reserved = head.le16(14) != Some(0);
    let tables = matches!(head.u8(16), Some(1 | 2));
    let media = matches!(head.u8(21), Some(0xf0 | 0xf8..=0xff));
    jump && sector && cluster && reserved && tables && media
}
