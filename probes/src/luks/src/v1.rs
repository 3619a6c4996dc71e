//! Version 1: one header, eight key slots, their key material, the payload
//! (section 2.2, figure 1 and 2).

use crate::header_cut;
use assay_probe::keys::luks as keys;
use assay_probe::{Bytes, Finding, Image, Outcome, Place, Report};

/// Bytes of the header.
pub const LENGTH: usize = 592;
const SECTOR: u64 = 512;

/// Fields of the header.
const CIPHER_NAME: Place = Place { offset: 8, length: 32 };
const CIPHER_MODE: Place = Place { offset: 40, length: 32 };
const HASH_SPEC: Place = Place { offset: 72, length: 32 };
const PAYLOAD_OFFSET: Place = Place { offset: 104, length: 4 };
const KEY_BYTES: Place = Place { offset: 108, length: 4 };
const MK_DIGEST_ITERATIONS: Place = Place { offset: 164, length: 4 };
const UUID: Place = Place { offset: 168, length: 40 };
const KEY_SLOTS: usize = 208;

/// Largest key, in bytes, that tools make: 512 bits for each half of an XTS
/// key, times four.
const MAX_KEY_BYTES: u32 = 512;

/// Constants of section 2.4.
const SLOT_LENGTH: usize = 48;
const ENABLED: u32 = 0x00ac_71f3;
const DISABLED: u32 = 0x0000_dead;
const STRIPES: u32 = 4000;

pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    let header = image.head();
    if header.len() < LENGTH {
        return match image.size() {
            Some(size) => header_cut(size, LENGTH as u64, report),
            None => Outcome::Match,
        };
    }
    report.finding(keys::ENCRYPTED, Place::new(0, LENGTH as u64), []);
    let mut malformed = false;
    for place in [CIPHER_NAME, CIPHER_MODE, HASH_SPEC, UUID] {
        malformed |= !is_terminated(header, place, report);
    }
    for (key, place) in [(keys::CIPHER, CIPHER_NAME), (keys::CIPHER_MODE, CIPHER_MODE), (keys::HASH, HASH_SPEC)] {
        report.text(key, place, text(header, place));
    }
    let number = |place: Place| header.be32(place.offset as usize).unwrap_or(0);
    let key_bytes = number(KEY_BYTES);
    report.number(keys::KEY_BYTES, KEY_BYTES, key_bytes.into());
    if !(1..=MAX_KEY_BYTES).contains(&key_bytes) {
        report.finding(keys::KEY_LENGTH, KEY_BYTES, [key_bytes.into(), MAX_KEY_BYTES.into()]);
        malformed = true;
    }
    malformed |= !payload(number(PAYLOAD_OFFSET), image, report);
    let iterations = number(MK_DIGEST_ITERATIONS);
    if iterations == 0 {
        report.finding(keys::ITERATIONS_ZERO, MK_DIGEST_ITERATIONS, []);
        malformed = true;
    }
    malformed |= !key_slots(header, image, report, iterations, key_bytes, number(PAYLOAD_OFFSET));
    if malformed { Outcome::Malformed } else { Outcome::Match }
}

/// The bytes of a field up to its first NUL.
fn text(header: &[u8], place: Place) -> &[u8] {
    let field = header.get(place.offset as usize..(place.offset + place.length) as usize).unwrap_or_default();
    field.split(|&b| b == 0).next().unwrap_or_default()
}

fn is_terminated(header: &[u8], place: Place, report: &mut Report) -> bool {
    let terminated = (text(header, place).len() as u64) < place.length;
    if !terminated {
        report.finding(keys::STRING, place, [place.length]);
    }
    terminated
}

/// The payload starts behind the header, and the file reaches it. An offset of
/// 0 says that it is in another file.
fn payload(sectors: u32, image: &Image, report: &mut Report) -> bool {
    let offset = u64::from(sectors) * SECTOR;
    report.number(keys::PAYLOAD_OFFSET, PAYLOAD_OFFSET, offset);
    if sectors == 0 {
        report.finding(keys::DETACHED_HEADER, PAYLOAD_OFFSET, []);
    } else if offset < LENGTH as u64 {
        report.finding(keys::PAYLOAD_IN_HEADER, PAYLOAD_OFFSET, [offset, LENGTH as u64]);
        return false;
    }
    incomplete(offset, PAYLOAD_OFFSET, image, report);
    true
}

fn incomplete(end: u64, place: Place, image: &Image, report: &mut Report) {
    if image.ends_before(end, 0) {
        report.finding(keys::INCOMPLETE, place, [end, image.size().unwrap_or(0)]);
    }
}

/// A slot's key material, in bytes of the file.
#[derive(Clone, Copy)]
struct Material {
    place: Place,
    start: u64,
    end: u64,
}

/// Checks the slots, the unused ones too: their places are what the next key
/// is written to.
fn key_slots(header: &[u8], image: &Image, report: &mut Report, digest_iterations: u32, key_bytes: u32, payload: u32) -> bool {
    let mut good = true;
    let mut defect = |key: Finding, place: Place, values: [u64; 2], report: &mut Report| {
        report.finding(key, place, values);
        good = false;
    };
    let payload = u64::from(payload) * SECTOR;
    let mut enabled = 0;
    let mut most = digest_iterations;
    let mut materials = [None; 8];
    for (i, seen) in materials.iter_mut().enumerate() {
        let at = KEY_SLOTS + SLOT_LENGTH * i;
        let place = |field: usize| Place::new((at + field) as u64, 4);
        let number = |field: usize| header.be32(at + field).unwrap_or(0);
        let (active, iterations, stripes) = (number(0), number(4), number(44));
        match active {
            ENABLED => {
                enabled += 1;
                most = most.max(iterations);
                if iterations == 0 {
                    defect(keys::ITERATIONS_ZERO, place(4), [0, 0], report);
                }
            }
            DISABLED => (),
            _ => defect(keys::KEY_SLOT_STATE, place(0), [active.into(), 0], report),
        }
        if stripes != STRIPES {
            defect(keys::STRIPES, place(44), [stripes.into(), STRIPES.into()], report);
            continue;
        }
        let start = u64::from(number(40)) * SECTOR;
        // At most 2^41 + 2^32 * 4000.
        let end = start + u64::from(key_bytes) * u64::from(stripes);
        if start < LENGTH as u64 {
            defect(keys::KEY_MATERIAL, place(40), [start, LENGTH as u64], report);
        } else if payload != 0 && end > payload {
            defect(keys::KEY_MATERIAL_IN_PAYLOAD, place(40), [end, payload], report);
        } else {
            incomplete(end, place(40), image, report);
            *seen = Some(Material { place: place(40), start, end });
        }
    }
    let mut rest = &materials[..];
    while let Some((a, behind)) = rest.split_first() {
        for (a, b) in behind.iter().filter_map(|b| a.zip(*b)) {
            if a.start < b.end && b.start < a.end {
                defect(keys::KEY_MATERIAL_OVERLAP, b.place, [a.start.max(b.start), 0], report);
            }
        }
        rest = behind;
    }
    report.number(keys::KEY_SLOTS, Place::new(KEY_SLOTS as u64, (8 * SLOT_LENGTH) as u64), enabled);
    report.number(keys::ITERATIONS, Place::NONE, most.into());
    good
}
