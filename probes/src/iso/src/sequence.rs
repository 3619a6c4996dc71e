//! The volume recognition sequence: the descriptors of ISO 9660 up to their
//! terminator (ECMA-119, section 6.7.1), and the extended area that says
//! there is a UDF (ECMA-167, part 2, section 8.3).

use crate::volume::{self, Volume};
use crate::{SECTOR, SEQUENCE};
use assay_probe::keys::iso as keys;
use assay_probe::{Bytes, Image, Place, Report};

/// Descriptors that are looked at; images in use have fewer than ten.
const MAX: u64 = 64;
/// Kinds of descriptors (ECMA-119, section 8.1.1).
const BOOT: u8 = 0;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// System identifier of a boot record of El Torito (version 1.0, figure 7).
const EL_TORITO: &[u8] = b"EL TORITO SPECIFICATION";

/// What was found in the sequence.
pub struct Sequence {
    pub joliet: bool,
    pub udf: bool,
    /// Sector of the boot catalog.
    pub boot_catalog: Option<u32>,
    /// Whether nothing in the sequence is malformed.
    pub good: bool,
}

/// A structure of the sequence, by its standard identifier.
enum Kind {
    Iso { kind: u8, version: u8 },
    BeginArea,
    EndArea,
    Udf,
    /// Of the extended area, for others.
    Foreign,
}

impl Kind {
    fn read(image: &mut Image, at: u64) -> Option<Kind> {
        // The version may be behind the end of the file.
        let b = image.most(at, 7);
        let version = b.u8(6).unwrap_or(0);
        Some(match b.get(1..6)? {
            b"CD001" => Kind::Iso { kind: b.u8(0)?, version },
            b"BEA01" => Kind::BeginArea,
            b"TEA01" => Kind::EndArea,
            b"NSR02" | b"NSR03" => Kind::Udf,
            b"BOOT2" | b"CDW02" => Kind::Foreign,
            _ => return None,
        })
    }
}

impl Sequence {
    /// Follows the sequence; `None` when it does not even start.
    pub fn walk(image: &mut Image, report: &mut Report) -> Option<Sequence> {
        let mut found = Sequence { joliet: false, udf: false, boot_catalog: None, good: true };
        let mut primary: Option<Volume> = None;
        // Descriptors without terminator, and an area without end.
        let (mut open, mut area) = (false, false);
        let (mut at, mut step) = (SEQUENCE, SECTOR);
        for count in 0..MAX {
            let kind = match Kind::read(image, at) {
                Some(kind) => kind,
                None if count == 0 => return None,
                // Disks with sectors of 4096 bytes have one structure in each
                // (ECMA-167, part 2, section 8.3.1).
                None if area && step == SECTOR && Kind::read(image, at + SECTOR).is_some() => {
                    at += SECTOR;
                    step = 2 * SECTOR;
                    continue;
                }
                None => break,
            };
            match kind {
                Kind::Iso { kind, version } => {
                    open = true;
                    match kind {
                        BOOT => found.boot_record(image, at),
                        PRIMARY | SUPPLEMENTARY => {
                            let volume = volume::check(at, kind == SUPPLEMENTARY, version, image, report);
                            found.good &= volume.is_some();
                            found.joliet |= volume.as_ref().map_or(false, |v| v.joliet);
                            match (&primary, volume) {
                                (_, volume) if kind == PRIMARY && primary.is_none() => primary = volume,
                                (Some(first), Some(next)) if kind == PRIMARY && *first != next => {
                                    report.finding(keys::SECOND_PRIMARY, Place::new(at, SECTOR), []);
                                    found.good = false;
                                }
                                _ => (),
                            }
                        }
                        TERMINATOR => open = false,
                        _ => (),
                    }
                }
                Kind::BeginArea => area = true,
                Kind::EndArea => area = false,
                Kind::Udf => found.udf |= area,
                Kind::Foreign => (),
            }
            at += step;
        }
        found.end(open, area, at, image, report);
        if primary.is_none() && !found.udf && found.good {
            report.finding(keys::NO_VOLUME, Place::new(SEQUENCE, at - SEQUENCE), []);
            found.good = false;
        }
        Some(found)
    }

    /// Says so when the sequence stops before its end.
    fn end(&mut self, open: bool, area: bool, at: u64, image: &mut Image, report: &mut Report) {
        let arrived = image.size().is_some() || image.bytes(at, 7).is_some();
        if arrived && (open || area) {
            report.finding(keys::NO_TERMINATOR, Place::new(at, SECTOR), [at]);
            self.good = false;
        }
    }

    fn boot_record(&mut self, image: &mut Image, at: u64) {
        let record = image.bytes(at, 75).unwrap_or_default();
        if record.get(7..7 + EL_TORITO.len()) == Some(EL_TORITO) {
            self.boot_catalog = self.boot_catalog.or_else(|| record.le32(71));
        }
    }
}
