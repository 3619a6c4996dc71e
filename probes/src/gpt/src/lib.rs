//! The gpt probe: a disk with a GUID partition table, with blocks of 512 or
//! 4096 bytes. The source is the UEFI specification, section 5.3.
//!
//! Both headers, both arrays of entries and the MBR are read and held against
//! each other; a disk whose primary header is destroyed is recognized by its
//! backup. What is wrong is reported; the disk stays the raw disk it is.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod entries;
mod header;

use assay_probe::crc32::{Tables, ISO_3309};
use assay_probe::keys::{self as core_keys, gpt as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};
use entries::Partitions;
use header::Header;

assay_probe::probe! {
    manifest: "../manifest.json",
    window: 4608,
    cache: 4096,
    chunk: 32768,
    run: crate::run,
}

static CRC32: Tables = Tables::new(ISO_3309);

const SECTORS: [u64; 2] = [512, 4096];

/// The probe.
pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let disk = match Disk::find(image) {
        Some(disk) => disk,
        None => return Outcome::NoMatch,
    };
    if let Some(size) = image.size() {
        report.number(core_keys::VIRTUAL_SIZE, Place::NONE, size);
    }
    report.number(keys::SECTOR_SIZE, Place::NONE, disk.sector);
    protective_mbr(image, report);

    let mut partitions = Partitions::new(image, disk.sector);
    let mut scan = Some(&mut partitions);
    match &disk.primary {
        Some(h) => {
            if !entries::is_valid(h, disk.sector, image, report, scan.take()) {
                let place = h.entry_lba.saturating_mul(disk.sector);
                report.finding(keys::PRIMARY_ENTRIES, Place::new(h.at + 72, 20), [place]);
            }
        }
        None => report.finding(keys::PRIMARY_HEADER, header_place(disk.sector), [disk.sector]),
    }
    match (&disk.backup, image.size()) {
        (Some(h), size) => {
            if !entries::is_valid(h, disk.sector, image, report, scan.take()) {
                let place = h.entry_lba.saturating_mul(disk.sector);
                report.finding(keys::BACKUP_ENTRIES, Place::new(h.at + 72, 20), [place]);
            }
            let last = last_block(size.unwrap_or(0), disk.sector);
            if h.at != last {
                report.finding(keys::BACKUP_MISPLACED, header_place(h.at), [h.at, last]);
            }
        }
        (None, Some(_)) => report.finding(keys::BACKUP_HEADER, header_place(disk.backup_at), [disk.backup_at]),
        (None, None) => (),
    }
    if let (Some(a), Some(b)) = (&disk.primary, &disk.backup) {
        if !a.agrees(b) || a.alternate_lba.saturating_mul(disk.sector) != b.at {
            report.finding(keys::COPIES_DIFFER, header_place(b.at), []);
        }
    }
    report.number(keys::PARTITIONS, Place::NONE, partitions.count);
    match (disk.primary, disk.backup, image.size()) {
        (None, None, Some(_)) => Outcome::Malformed,
        _ => Outcome::Match,
    }
}

fn header_place(at: u64) -> Place {
    Place::new(at, header::LENGTH.into())
}

/// Offset of the last whole block of a disk.
fn last_block(size: u64, sector: u64) -> u64 {
    (size & !(sector - 1)).saturating_sub(sector)
}

/// The headers of a disk that hold.
struct Disk {
    sector: u64,
    primary: Option<Header>,
    backup: Option<Header>,
    /// Where the backup is, or should be, in bytes.
    backup_at: u64,
}

impl Disk {
    /// Finds the size of a block and the headers. A valid header decides; the
    /// primary's signature alone is enough, but weighs less.
    fn find(image: &mut Image) -> Option<Disk> {
        for sector in SECTORS {
            if let Some(h) = Header::read(image, sector, sector) {
                return Some(Disk::with_primary(h, sector, image));
            }
        }
        if let Some(size) = image.size() {
            for sector in SECTORS {
                let at = last_block(size, sector);
                let backup = Header::read(image, at, sector);
                if backup.is_some() && at > sector {
                    return Some(Disk { sector, primary: None, backup, backup_at: at });
                }
            }
        }
        for sector in SECTORS {
            if image.bytes(sector, header::SIGNATURE.len()) == Some(header::SIGNATURE) {
                let backup_at = last_block(image.size().unwrap_or(0), sector);
                return Some(Disk { sector, primary: None, backup: None, backup_at });
            }
        }
        None
    }

    /// The backup is where the primary says, or else in the last block.
    fn with_primary(primary: Header, sector: u64, image: &mut Image) -> Disk {
        let named = primary.alternate_lba.saturating_mul(sector);
        let mut backup = None;
        if let Some(size) = image.size() {
            for at in [named, last_block(size, sector)] {
                if backup.is_none() && at > primary.at {
                    backup = Header::read(image, at, sector);
                }
            }
        }
        let backup_at = backup.as_ref().map_or(named, |h| h.at);
        Disk { sector, primary: Some(primary), backup, backup_at }
    }
}

/// Section 5.2.3: the MBR of a GPT disk has one entry, of type ee, that keeps
/// programs that know no GPT from taking the disk for an empty one. Further
/// entries (a hybrid MBR) show such programs another disk.
fn protective_mbr(image: &Image, report: &mut Report) {
    const TABLE: u64 = 446;
    const PROTECTIVE: u8 = 0xee;
    let head = image.head();
    let kinds = [450, 466, 482, 498].map(|at| head.u8(at).unwrap_or(0));
    let place = Place::new(TABLE, 66);
    if head.le16(510) != Some(0xaa55) || !kinds.contains(&PROTECTIVE) {
        report.finding(keys::NO_PROTECTIVE_MBR, place, []);
    } else if kinds.iter().any(|&k| k != 0 && k != PROTECTIVE) {
        report.finding(keys::HYBRID_MBR, place, []);
    }
}
