//! Extents that are recognized and not looked into: COWD of ESX (section ESX
//! Server Sparse Extents of Virtual Disk Format 1.1), seSparse of ESXi (the
//! constant header of qemu's driver), and what is neither.

use crate::{extents, SECTOR};
use assay_probe::keys::{self as core_keys, vmdk as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};

const MAGIC: Place = Place::new(0, 4);

/// Flag of an extent that has no parent.
const ROOT: u32 = 1;
/// Offset of the parent's name in an extent that has one.
const PARENT_NAME: u64 = 32;
const COWD_LENGTH: u64 = 2048;

pub fn cowd(image: &mut Image, report: &mut Report) -> Outcome {
    report.text(keys::CREATE_TYPE, MAGIC, b"vmfsSparse");
    report.finding(keys::COWD, MAGIC, []);
    let head = image.head();
    let flags = head.le32(8).unwrap_or(ROOT);
    if flags & ROOT == 0 {
        let name = image.most(PARENT_NAME, extents::MAX_NAME);
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        report.reference(keys::PARENT, Place::new(PARENT_NAME, name.len() as u64), name);
    }
    let capacity = head.le32(12).unwrap_or(0);
    report.number(core_keys::VIRTUAL_SIZE, Place::new(12, 4), u64::from(capacity) * SECTOR);
    whole(COWD_LENGTH, image, report)
}

const SESPARSE_MAGIC: u64 = 0xcafe_babe;
const SESPARSE_LENGTH: u64 = SECTOR;

pub fn sesparse(image: &mut Image, report: &mut Report) -> Outcome {
    let head = image.head();
    if head.le64(0) != Some(SESPARSE_MAGIC) {
        return Outcome::NoMatch;
    }
    report.text(keys::CREATE_TYPE, MAGIC, b"seSparse");
    report.finding(keys::SESPARSE, MAGIC, []);
    let capacity = head.le64(16).unwrap_or(0);
    report.number(core_keys::VIRTUAL_SIZE, Place::new(16, 8), capacity.saturating_mul(SECTOR));
    whole(SESPARSE_LENGTH, image, report)
}

pub fn wrong_endian(report: &mut Report) -> Outcome {
    report.finding(keys::WRONG_ENDIAN, MAGIC, []);
    Outcome::Malformed
}

/// Whether the header is.
fn whole(length: u64, image: &Image, report: &mut Report) -> Outcome {
    if image.ends_before(0, length) {
        let size = image.size().unwrap_or(0);
        report.finding(keys::HEADER_CUT, Place::new(0, size), [size, length]);
        return Outcome::Malformed;
    }
    Outcome::Match
}
