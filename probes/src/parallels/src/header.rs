//! The header (section Header) and whether its numbers fit together.

use crate::Defect;
use assay_probe::keys::{self as core_keys, parallels as keys};
use assay_probe::{Bytes, Image, Outcome, Place, Report};

const MAGIC: &[u8] = b"WithoutFreeSpace";
const EXTENDED_MAGIC: &[u8] = b"WithouFreSpacExt";
/// Bytes of the header; the BAT is behind it.
pub const LENGTH: u64 = 64;
pub const BAT_ENTRY: u64 = 4;
pub const SECTOR: u64 = 512;

const VERSION: u32 = 2;
const IN_USE: u32 = 0x746f_6e59;
const CLOSED: u32 = 0x312e_3276;
const CLOSED_BY_OLD: u32 = 0;
/// Flag: the image is to be considered clear.
pub const EMPTY: u32 = 1 << 0;

/// Limits of the driver: the size of a cluster, and of the BAT in bytes.
const MAX_TRACKS: u32 = i32::MAX as u32 / 513;
const MAX_BAT_ENTRIES: u32 = i32::MAX as u32 / BAT_ENTRY as u32;
const MAX_SECTORS: u64 = i64::MAX as u64 / SECTOR;

const TRACKS: Place = Place::new(28, 4);
const NB_BAT_ENTRIES: Place = Place::new(32, 4);
const NB_SECTORS: Place = Place::new(36, 8);
const IN_USE_FIELD: Place = Place::new(44, 4);
const DATA_OFF: Place = Place::new(48, 4);
pub const FLAGS: Place = Place::new(52, 4);

/// The fields of the header, by the names of the specification.
pub struct Header {
    pub extended: bool,
    version: u32,
    pub tracks: u32,
    pub nb_bat_entries: u32,
    pub nb_sectors: u64,
    in_use: u32,
    data_off: u32,
    pub flags: u32,
    pub ext_off: u64,
}

impl Header {
    /// Reads the header, or says what the file is when there is no whole one.
    pub fn read(image: &Image, report: &mut Report) -> Result<Header, Outcome> {
        let head = image.head();
        let extended = match head.get(..16) {
            Some(MAGIC) => false,
            Some(EXTENDED_MAGIC) => true,
            _ => return Err(Outcome::NoMatch),
        };
        match (Header::parse(head, extended), image.size()) {
            (Some(header), _) => Ok(header),
            (None, None) => Err(Outcome::Match),
            (None, Some(size)) => {
                report.finding(keys::HEADER_CUT, Place::new(0, size), [size, LENGTH]);
                Err(Outcome::Malformed)
            }
        }
    }

    fn parse(head: &[u8], extended: bool) -> Option<Header> {
        Some(Header {
            extended,
            version: head.le32(16)?,
            tracks: head.le32(28)?,
            nb_bat_entries: head.le32(32)?,
            nb_sectors: head.le64(36)?,
            in_use: head.le32(44)?,
            data_off: head.le32(48)?,
            flags: head.le32(52)?,
            ext_off: head.le64(56)?,
        })
    }

    /// Size of a cluster in bytes; only after the header was checked.
    pub fn cluster(&self) -> u64 {
        u64::from(self.tracks) * SECTOR
    }

    /// Size of the BAT in bytes.
    pub fn bat_bytes(&self) -> u64 {
        BAT_ENTRY * u64::from(self.nb_bat_entries)
    }

    /// First sector of the data area. Zero in the field stands for the first
    /// one behind the BAT.
    pub fn data_start(&self) -> u64 {
        match self.data_off {
            0 => (LENGTH + self.bat_bytes() + SECTOR - 1) / SECTOR,
            sector => sector.into(),
        }
    }

    /// Whether a cluster can start at a sector (section BAT).
    pub fn is_cluster(&self, sector: u64) -> bool {
        let start = self.data_start();
        sector >= start && (sector - start) % u64::from(self.tracks) == 0 && sector <= MAX_SECTORS - u64::from(self.tracks)
    }

    /// Reports the numbers and whether they fit together.
    pub fn check(&self, image: &Image, report: &mut Report) -> Result<(), Defect> {
        report.flag(keys::EXTENDED, Place::new(0, 16), self.extended);
        report.number(keys::CLUSTER_SIZE, TRACKS, self.cluster());
        report.number(keys::BAT_BYTES, NB_BAT_ENTRIES, self.bat_bytes());
        let max_sectors = if self.extended { MAX_SECTORS } else { u32::MAX.into() };
        if self.nb_sectors <= max_sectors {
            report.number(core_keys::VIRTUAL_SIZE, NB_SECTORS, self.nb_sectors * SECTOR);
        }
        match self.in_use {
            IN_USE => report.finding(keys::DIRTY, IN_USE_FIELD, []),
            CLOSED | CLOSED_BY_OLD => (),
            other => report.finding(keys::IN_USE, IN_USE_FIELD, [other.into()]),
        }
        if self.flags & !EMPTY != 0 {
            report.finding(keys::UNKNOWN_FLAGS, FLAGS, [(self.flags & !EMPTY).into()]);
        }
        if self.version != VERSION {
            report.finding(keys::UNKNOWN_VERSION, Place::new(16, 4), [self.version.into(), VERSION.into()]);
            return Err(Defect);
        }
        if self.nb_sectors > max_sectors {
            report.finding(keys::VIRTUAL_SIZE, NB_SECTORS, [self.nb_sectors, max_sectors]);
            return Err(Defect);
        }
        if !(1..=MAX_TRACKS).contains(&self.tracks) {
            report.finding(keys::TRACKS, TRACKS, [self.tracks.into(), MAX_TRACKS.into()]);
            return Err(Defect);
        }
        let tracks = u64::from(self.tracks);
        let needed = (self.nb_sectors + tracks - 1) / tracks;
        if u64::from(self.nb_bat_entries) < needed || self.nb_bat_entries > MAX_BAT_ENTRIES {
            report.finding(keys::BAT_ENTRIES, NB_BAT_ENTRIES, [self.nb_bat_entries.into(), needed]);
            return Err(Defect);
        }
        let bat_end = LENGTH + self.bat_bytes();
        let aligned = !self.extended || (self.data_off != 0 && self.data_off % self.tracks == 0);
        if !aligned || self.data_start() * SECTOR < bat_end {
            report.finding(keys::DATA_OFFSET, DATA_OFF, [self.data_off.into(), bat_end]);
            return Err(Defect);
        }
        inside(image, report, NB_BAT_ENTRIES, LENGTH, self.bat_bytes())
    }
}

/// Reports `incomplete` when the file ends before what a field points to.
pub fn inside(image: &Image, report: &mut Report, field: Place, offset: u64, bytes: u64) -> Result<(), Defect> {
    if image.ends_before(offset, bytes) {
        report.finding(keys::INCOMPLETE, field, [offset.saturating_add(bytes), image.size().unwrap_or(0)]);
        return Err(Defect);
    }
    Ok(())
}
