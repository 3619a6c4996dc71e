//! The footer and its copy (section Hard Disk Footer Format).

use crate::Defect;
use assay_probe::keys::vhd as keys;
use assay_probe::text;
use assay_probe::{Bytes, Image, Outcome, Place, Report};

const COOKIE: &[u8] = b"conectix";
pub const LENGTH: u64 = 512;
/// Length before Virtual PC 2004.
const SHORT_LENGTH: u64 = 511;

/// Disk types.
pub const FIXED: u32 = 2;
pub const DYNAMIC: u32 = 3;
pub const DIFFERENCING: u32 = 4;

/// File Format Version, and the dynamic header's version.
pub const VERSION: u32 = 0x0001_0000;

/// Features: the disk may be deleted, and the bit that is always set.
const TEMPORARY: u32 = 1 << 0;
const RESERVED: u32 = 1 << 1;

/// The fields of a footer, by the names of the specification.
pub struct Footer {
    /// Where it is, in bytes.
    pub at: u64,
    features: u32,
    version: u32,
    pub data_offset: u64,
    pub creator_app: [u8; 4],
    original_size: u64,
    pub current_size: u64,
    pub cylinders: u16,
    pub heads: u8,
    pub sectors: u8,
    pub disk_type: u32,
    checksum: u32,
    unique_id: [u8; 16],
    saved_state: u8,
    /// What the checksum should be.
    sum: u32,
    /// Whether it is the copy at the start of the file.
    pub copy: bool,
}

/// Finds the footer that qemu takes: the copy at the start, or else the one at
/// the end. Reports when the two do not fit together, which is the second
/// result, and says what the file is when there is no whole one.
pub fn find(image: &mut Image, report: &mut Report) -> Result<(Footer, Result<(), Defect>), Outcome> {
    let head = image.head();
    let starts = head.get(..COOKIE.len()) == Some(COOKIE);
    let size = match image.size() {
        Some(size) if size >= LENGTH => size,
        Some(size) if starts => {
            report.finding(keys::FOOTER_CUT, Place::new(0, size), [size, LENGTH]);
            return Err(Outcome::Malformed);
        }
        None if starts => {
            let copy = Footer::parse(head, 0, true).ok_or(Outcome::Match)?;
            return Ok((copy, Ok(())));
        }
        _ => return Err(short(image, report)),
    };
    let at = size - LENGTH;
    let tail = image.bytes(at, LENGTH as usize).unwrap_or_default();
    let ends = tail.get(..COOKIE.len()) == Some(COOKIE);
    match (starts, ends) {
        (false, false) => Err(short(image, report)),
        (false, true) => {
            let footer = Footer::parse(tail, at, false).ok_or(Outcome::NoMatch)?;
            Ok((footer, Ok(())))
        }
        (true, ends) => {
            let mut places = Ok(());
            let differs = head.iter().zip(tail).position(|(a, b)| a != b);
            if let (true, Some(byte)) = (ends, differs) {
                report.finding(keys::COPIES_DIFFER, Place::new(at, LENGTH), [byte as u64]);
                places = Err(Defect);
            }
            if !ends {
                if short(image, report) == Outcome::NoMatch {
                    report.finding(keys::FOOTER_MISSING, Place::new(at, LENGTH), [size]);
                }
                places = Err(Defect);
            }
            let copy = Footer::parse(head, 0, true).ok_or(Outcome::NoMatch)?;
            Ok((copy, places))
        }
    }
}

/// Reports a footer that is shorter: the one of old, or what is left of one in
/// a last sector that is not whole, which qemu fills with zeros. The checksum
/// holds in most of them, for the last 427 bytes are zeros.
fn short(image: &mut Image, report: &mut Report) -> Outcome {
    let size = image.size().unwrap_or(0);
    let last = size & !(LENGTH - 1);
    for at in [size.saturating_sub(SHORT_LENGTH), last] {
        if image.bytes(at, COOKIE.len()) == Some(COOKIE) {
            let length = size - at;
            report.finding(keys::SHORT_FOOTER, Place::new(at, length), [length]);
            return Outcome::Malformed;
        }
    }
    Outcome::NoMatch
}

impl Footer {
    fn parse(bytes: &[u8], at: u64, copy: bool) -> Option<Footer> {
        let bytes = bytes.get(..LENGTH as usize)?;
        let checksum = bytes.be32(64)?;
        Some(Footer {
            at,
            features: bytes.be32(8)?,
            version: bytes.be32(12)?,
            data_offset: bytes.be64(16)?,
            creator_app: bytes.array(28)?,
            original_size: bytes.be64(40)?,
            current_size: bytes.be64(48)?,
            cylinders: bytes.be16(56)?,
            heads: bytes.u8(58)?,
            sectors: bytes.u8(59)?,
            disk_type: bytes.be32(60)?,
            checksum,
            unique_id: bytes.array(68)?,
            saved_state: bytes.u8(84)?,
            sum: sum(bytes, checksum),
            copy,
        })
    }

    /// The place of a field, by its offset in the footer.
    pub fn place(&self, offset: u64, length: u64) -> Place {
        Place::new(self.at + offset, length)
    }

    /// Reports the fields that do not depend on each other. A defect is one
    /// that leaves open what the others mean.
    pub fn check(&self, report: &mut Report) -> Result<(), Defect> {
        let mut result = Ok(());
        report.number(keys::DISK_TYPE, self.place(60, 4), self.disk_type.into());
        report.number(keys::ORIGINAL_SIZE, self.place(40, 8), self.original_size);
        report.text(keys::CREATOR_APP, self.place(28, 4), text::without_zeros(&self.creator_app));
        report.text(keys::UNIQUE_ID, self.place(68, 16), &text::uuid(&self.unique_id));
        report.flag(keys::TEMPORARY, self.place(8, 4), self.features & TEMPORARY != 0);
        if self.checksum != self.sum {
            report.finding(keys::FOOTER_CHECKSUM, self.place(64, 4), [self.checksum.into(), self.sum.into()]);
            result = Err(Defect);
        }
        if self.version != VERSION {
            report.finding(keys::UNKNOWN_VERSION, self.place(12, 4), [self.version.into()]);
            result = Err(Defect);
        }
        if self.features & !TEMPORARY != RESERVED {
            report.finding(keys::FEATURES, self.place(8, 4), [self.features.into()]);
        }
        match self.saved_state {
            0 => (),
            1 => report.finding(keys::SAVED_STATE, self.place(84, 1), []),
            other => report.finding(keys::SAVED_STATE_VALUE, self.place(84, 1), [other.into()]),
        }
        if self.check_type(report).is_err() {
            result = Err(Defect);
        }
        result
    }

    /// The disk type says where the footer must be, and whether it points to a
    /// dynamic header.
    fn check_type(&self, report: &mut Report) -> Result<(), Defect> {
        let fixed = match (self.disk_type, self.copy) {
            (FIXED, false) => true,
            (DYNAMIC | DIFFERENCING, true) => false,
            (DYNAMIC | DIFFERENCING, false) => {
                report.finding(keys::COPY_MISSING, self.place(60, 4), [self.disk_type.into()]);
                return Err(Defect);
            }
            (other, _) => {
                report.finding(keys::TYPE_MISMATCH, self.place(60, 4), [other.into()]);
                return Err(Defect);
            }
        };
        let valid = if fixed { is_none(self.data_offset) } else { is_offset(self.data_offset) };
        if !valid {
            report.finding(keys::DATA_OFFSET, self.place(16, 8), [self.data_offset, self.disk_type.into()]);
            return Err(Defect);
        }
        Ok(())
    }
}

/// Whether an offset is one of those that stand for nothing. The specification
/// says FFFFFFFF for a field of 64 bits; tools fill it.
pub fn is_none(offset: u64) -> bool {
    offset == u32::MAX.into() || offset == u64::MAX
}

/// Whether an offset is one of a structure: on a sector, behind the copy of
/// the footer, and in reach.
pub fn is_offset(offset: u64) -> bool {
    offset & (LENGTH - 1) == 0 && (LENGTH..=MAX_OFFSET).contains(&offset)
}

/// Largest offset of a file.
pub const MAX_OFFSET: u64 = i64::MAX as u64;

/// One's complement of the sum of all bytes but those of the checksum itself.
pub fn sum(bytes: &[u8], checksum: u32) -> u32 {
    let add = |sum: u32, &b: &u8| sum + u32::from(b);
    !(bytes.iter().fold(0, add) - checksum.to_be_bytes().iter().fold(0, add))
}
