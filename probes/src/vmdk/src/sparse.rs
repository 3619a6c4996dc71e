//! A hosted sparse extent: header, descriptor, footer, and, deep, its tables.

use crate::descriptor::{self, CreateType, Descriptor};
use crate::footer;
use crate::geometry;
use crate::header::{Header, LENGTH};
use crate::tables;
use crate::{Defect, SECTOR};
use assay_probe::keys::{self as core_keys, vmdk as keys};
use assay_probe::{Image, Outcome, Place, Report};

const DESCRIPTOR_OFFSET: Place = Place::new(28, 16);
/// What readers take for the descriptor's text whatever its size, in bytes.
const USUAL_TEXT: u64 = 20 * SECTOR;

pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let header = match Header::read(image, report) {
        Ok(header) => header,
        Err(outcome) => return outcome,
    };
    // First: a reference is a reference in a damaged image too.
    let descriptor = text(&header, image, report);
    let version = geometry::check_version(&header, report);
    if header.capacity == 0 && header.descriptor_offset != 0 {
        report.number(core_keys::VIRTUAL_SIZE, Place::NONE, descriptor.extents.sectors.saturating_mul(SECTOR));
        report.finding(keys::DESCRIPTOR_ONLY, DESCRIPTOR_OFFSET, []);
        return outcome(version.is_ok() && !descriptor.broken);
    }
    let disk = disk(&header, &descriptor, image, report);
    outcome(version.and(disk).is_ok() && !descriptor.broken)
}

fn outcome(whole: bool) -> Outcome {
    if whole {
        Outcome::Match
    } else {
        Outcome::Malformed
    }
}

/// The disk in this file, and its tables when all else is sound.
fn disk(header: &Header, descriptor: &Descriptor, image: &mut Image, report: &mut Report) -> Result<(), Defect> {
    geometry::check(header, image, report)?;
    let contradicts = match descriptor.create_type {
        CreateType::MonolithicSparse => header.is_compressed(),
        CreateType::StreamOptimized => !header.is_compressed(),
        CreateType::Missing | CreateType::Other => false,
    };
    if contradicts {
        geometry::contradiction(header, report);
        return Err(Defect);
    }
    let gd_offset = match image.size() {
        Some(size) if header.has_footer() => footer::read(header, size, image, report)?,
        _ => header.gd_offset,
    };
    geometry::metadata_bytes(header, tables::MARKERS.min(header.grains()), report);
    if image.deep() && image.size().is_some() && !descriptor.broken {
        // What a walk finds is no reason to call the header malformed.
        let _ = tables::walk(header, gd_offset, image, report);
    }
    Ok(())
}

/// Reads the descriptor and whatever readers could take for it.
fn text(header: &Header, image: &mut Image, report: &mut Report) -> Descriptor {
    let mut text = Descriptor::new();
    let start = header.descriptor_offset.saturating_mul(SECTOR);
    let bytes = header.descriptor_size.saturating_mul(SECTOR);
    report.number(keys::DESCRIPTOR_BYTES, DESCRIPTOR_OFFSET, bytes);
    if start != 0 {
        if bytes > descriptor::MAX_TEXT {
            report.finding(keys::DESCRIPTOR_SIZE, DESCRIPTOR_OFFSET, [bytes, descriptor::MAX_TEXT]);
            text.broken = true;
        }
        if start != LENGTH {
            let values = [header.descriptor_offset, header.descriptor_size];
            report.finding(keys::DESCRIPTOR_OFFSET, DESCRIPTOR_OFFSET, values);
            text.broken = true;
        }
        if geometry::inside(image, report, DESCRIPTOR_OFFSET, header.descriptor_offset, bytes).is_err() {
            text.broken = true;
        }
        let end = start.saturating_add(bytes.min(descriptor::MAX_TEXT));
        text.read(start, end, image, report);
        if image.size().is_none() && end > start && image.bytes(end - 1, 1).is_none() {
            // What a descriptor lacks may still arrive.
            return text;
        }
    }
    if text.end == start {
        report.finding(keys::DESCRIPTOR_MISSING, DESCRIPTOR_OFFSET, []);
        text.broken = true;
    } else if text.lacks_create_type() {
        report.finding(keys::CREATE_TYPE_MISSING, Place::new(start, text.end - start), []);
        text.broken = true;
    }
    // qemu's driver looks for a parent in these sectors of any file.
    let seen = if start == LENGTH { start + bytes.min(USUAL_TEXT) } else { LENGTH };
    text.read_hidden(seen, LENGTH + USUAL_TEXT, image, report);
    let capacity = match text.create_type {
        CreateType::MonolithicSparse | CreateType::StreamOptimized if header.capacity != 0 => Some(header.capacity),
        _ => None,
    };
    text.extents.finish(capacity, image, report);
    text
}
