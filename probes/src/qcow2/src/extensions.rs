//! Header extensions (section Header extensions): from the end of the header
//! to the backing file's name or the end of the first cluster.

use crate::features;
use crate::geometry::{self, MAX_CLUSTER_BITS};
use crate::header::{self, Header};
use crate::ledger::Ledger;
use assay_probe::keys::qcow2 as keys;
use assay_probe::{Bytes, Image, Place, Report, MAX_TEXT};

const END: u32 = 0;
const BACKING_FORMAT: u32 = 0xe279_2aca;
const BITMAPS: u32 = 0x2385_2875;
const ENCRYPTION: u32 = 0x0537_be77;
const DATA_FILE: u32 = 0x4441_5441;

/// Extensions looked at; behind that many nothing is known.
const MAX_EXTENSIONS: u32 = 1024;

const BITMAPS_LENGTH: u32 = 24;
const ENCRYPTION_LENGTH: u32 = 16;
const LUKS_MAGIC: &[u8] = b"LUKS\xba\xbe";
/// Bounds of the driver (QCOW2_MAX_BITMAPS, QCOW2_MAX_BITMAP_DIRECTORY_SIZE).
const MAX_BITMAPS: u32 = 65535;
const MAX_DIRECTORY: u64 = 1024 * MAX_BITMAPS as u64;

/// Where the bitmap directory is.
pub struct Directory {
    pub count: u32,
    pub offset: u64,
    pub bytes: u64,
}

/// What the extensions say.
#[derive(Default)]
pub struct Extensions {
    /// The image has, or claims, an external data file.
    pub data_file: bool,
    /// What is behind some extension is not known, or one is not valid.
    pub broken: bool,
    /// The bitmaps of a valid extension that is in use.
    pub bitmaps: Option<Directory>,
    /// Offset and size of the LUKS header.
    luks: Option<(u64, u64)>,
    seen_backing_format: bool,
    seen_bitmaps: bool,
}

/// One extension in its place.
struct Extension {
    length: u32,
    /// Offset of its data.
    data: u64,
}

impl Extension {
    fn place(&self) -> Place {
        Place::new(self.data, self.length.into())
    }

    fn field(&self, at: u64, length: u64) -> Place {
        Place::new(self.data + at, length)
    }
}

impl Extensions {
    /// Walks the extensions and reports what they hold.
    pub fn walk(header: &Header, image: &mut Image, report: &mut Report) -> Extensions {
        let mut this = Extensions::default();
        this.read_all(header, image, report);
        this.data_file_bits(header, report);
        if header.crypt_method == features::LUKS && this.luks.is_none() && !this.broken && image.size().is_some() {
            report.finding(keys::ENCRYPTION_HEADER, Place::new(32, 4), []);
            this.broken = true;
        }
        this
    }

    fn read_all(&mut self, header: &Header, image: &mut Image, report: &mut Report) {
        // With an impossible cluster size, as far as any reader would go.
        let bits = if geometry::has_valid_clusters(header) { header.cluster_bits } else { MAX_CLUSTER_BITS };
        let cluster = 1u64 << bits;
        let end = match header.backing_file_offset {
            0 => cluster,
            offset => offset.min(cluster),
        };
        let start = u64::from(header.header_length);
        let mut at = start;
        let mut count = 0;
        while at < end {
            let (kind, length) = match image.bytes(at, 8) {
                Some(b) => (b.be32(0).unwrap_or(END), b.be32(4).unwrap_or(0)),
                None => break, // a file that ends here reads as zeros: the end
            };
            let extension = Extension { length, data: at + 8 };
            let left = end.saturating_sub(extension.data);
            if kind == END {
                at = extension.data;
                break;
            }
            if count == MAX_EXTENSIONS {
                report.finding(keys::EXTENSIONS, Place::new(at, 8), [MAX_EXTENSIONS.into(), MAX_EXTENSIONS.into()]);
                self.broken = true;
                break;
            }
            count += 1;
            if u64::from(length) > left {
                report.finding(keys::EXTENSION_LENGTH, Place::new(at, 8), [length.into(), left]);
                self.broken = true;
                if kind == DATA_FILE {
                    self.data_file(&extension, image, report);
                }
                break;
            }
            match kind {
                BACKING_FORMAT if !self.seen_backing_format => {
                    self.seen_backing_format = true;
                    let name = image.most(extension.data, (length as usize).min(MAX_TEXT));
                    report.text(keys::BACKING_FORMAT, extension.place(), name);
                }
                BITMAPS => self.bitmaps(&extension, header, image, report),
                ENCRYPTION => self.encryption(&extension, header, image, report),
                DATA_FILE => self.data_file(&extension, image, report),
                _ => (),
            }
            at = extension.data + (u64::from(length) + 7) / 8 * 8;
        }
        report.number(keys::EXTENSION_BYTES, Place::new(start, at.saturating_sub(start)), at.saturating_sub(start));
    }

    /// Section External data file name.
    fn data_file(&mut self, extension: &Extension, image: &mut Image, report: &mut Report) {
        self.data_file = true;
        let name = image.most(extension.data, (extension.length as usize).min(MAX_TEXT));
        report.reference(keys::DATA_FILE, extension.place(), name);
    }

    /// The bits announce a data file as the name does; each alone is enough.
    fn data_file_bits(&mut self, header: &Header, report: &mut Report) {
        if self.data_file {
            return;
        }
        if header.incompatible & header::EXTERNAL_DATA != 0 {
            report.reference(keys::DATA_FILE, Place::new(72, 8), &[]);
            self.data_file = true;
        } else if header.autoclear & header::RAW_EXTERNAL_DATA != 0 {
            report.reference(keys::DATA_FILE, Place::new(88, 8), &[]);
            self.data_file = true;
        }
    }

    /// Section Bitmaps extension. Without its autoclear bit a reader must not
    /// use it: a program that does not know bitmaps wrote to the image.
    fn bitmaps(&mut self, extension: &Extension, header: &Header, image: &mut Image, report: &mut Report) {
        let data = image.bytes(extension.data, BITMAPS_LENGTH as usize).unwrap_or_default();
        let (count, reserved) = (data.be32(0).unwrap_or(0), data.be32(4).unwrap_or(0));
        let (bytes, offset) = (data.be64(8).unwrap_or(0), data.be64(16).unwrap_or(0));
        let fields = [
            (extension.length != BITMAPS_LENGTH || self.seen_bitmaps, Place::new(extension.data - 4, 4), extension.length.into()),
            (count == 0 || count > MAX_BITMAPS, extension.field(0, 4), count.into()),
            (reserved != 0, extension.field(4, 4), reserved.into()),
            (bytes == 0 || bytes > MAX_DIRECTORY, extension.field(8, 8), bytes),
            (geometry::has_valid_clusters(header) && !header.is_offset(offset, bytes), extension.field(16, 8), offset),
        ];
        if !self.seen_bitmaps {
            self.seen_bitmaps = true;
            report.number(keys::BITMAPS, extension.field(0, 4), count.into());
            report.finding(keys::PERSISTENT_BITMAPS, extension.field(0, 4), [count.into()]);
        }
        if header.autoclear & header::BITMAPS == 0 {
            return;
        }
        for (wrong, place, value) in fields {
            if wrong {
                report.finding(keys::BITMAPS_EXTENSION, place, [value]);
                self.broken = true;
                return;
            }
        }
        match geometry::inside(image, report, extension.field(16, 8), offset, bytes) {
            Ok(()) => self.bitmaps = Some(Directory { count, offset, bytes }),
            Err(_) => self.broken = true,
        }
    }

    /// Section Full disk encryption header pointer.
    fn encryption(&mut self, extension: &Extension, header: &Header, image: &mut Image, report: &mut Report) {
        let data = image.bytes(extension.data, ENCRYPTION_LENGTH as usize).unwrap_or_default();
        let (offset, bytes) = (data.be64(0).unwrap_or(0), data.be64(8).unwrap_or(0));
        let fits = extension.length == ENCRYPTION_LENGTH
            && header.crypt_method == features::LUKS
            && self.luks.is_none()
            && bytes != 0
            && geometry::has_valid_clusters(header)
            && header.is_offset(offset, bytes);
        if !fits {
            report.finding(keys::ENCRYPTION_HEADER, extension.place(), [offset, bytes]);
            self.broken = true;
            return;
        }
        self.luks = Some((offset, bytes));
        if geometry::inside(image, report, extension.place(), offset, bytes).is_err() {
            self.broken = true;
        } else if image.bytes(offset, LUKS_MAGIC.len()).map_or(false, |b| b != LUKS_MAGIC) {
            report.finding(keys::ENCRYPTION_HEADER, Place::new(offset, LUKS_MAGIC.len() as u64), [offset, bytes]);
            self.broken = true;
        }
    }

    /// Enters what the extensions point to.
    pub fn record_use(&self, header: &Header, used: &mut Ledger) {
        if let Some((offset, bytes)) = self.luks {
            used.add_range(header, offset, bytes);
        }
        if let Some(d) = &self.bitmaps {
            used.add_range(header, d.offset, d.bytes);
        }
    }
}
