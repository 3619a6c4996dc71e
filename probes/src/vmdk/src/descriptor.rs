//! The descriptor's text (section The Descriptor File), inside an extent or
//! alone in a file.

use crate::extents::{self, Extents};
use crate::line::{self, Content, End, Line, Lines};
use assay_probe::keys::vmdk as keys;
use assay_probe::{Finding, Image, Reference, Report};

/// What is looked at of a descriptor, in bytes; also the policy's bound.
pub const MAX_TEXT: u64 = 64 << 10;
/// Lines looked at, of which one that counts takes eight: as many as the
/// budget of a header run allows.
pub const MAX_LINES: u32 = 4096;
/// Text read at a time, in bytes.
pub const PIECE: u64 = 16 << 10;
/// Parents and side files reported by name.
const MAX_NAMED: u32 = 16;
/// Content id of no parent.
const NO_PARENT: &[u8] = b"ffffffff";

/// Keys that must be there at most once, spelt as here.
const SINGLE: [&[u8]; 6] = [b"createType", b"parentCID", b"CID", b"parentFileNameHint", b"version", b"encoding"];
const CREATE_TYPE: usize = 0;
const PARENT_CID: usize = 1;
const PARENT_HINT: usize = 3;

/// Words in keys that name a parent, which is the first, or a file beside the
/// disk.
const NAMING: [&[u8]; 5] = [b"parent", b"path", b"uri", b"sidecar", b"filename"];

/// What createType says.
#[derive(Clone, Copy, PartialEq)]
pub enum CreateType {
    Missing,
    MonolithicSparse,
    StreamOptimized,
    Other,
}

/// What was found in the text.
pub struct Descriptor {
    pub create_type: CreateType,
    pub extents: Extents,
    /// There is a defect; it was reported.
    pub broken: bool,
    /// Offset behind the text.
    pub end: u64,
    /// The text has ended, and what is read now is behind it.
    hidden: bool,
    lines: u32,
    /// Single keys that were seen, a bit each.
    seen: u32,
    /// Findings that were made, a bit each: once is enough.
    said: u32,
    named: u32,
}

impl Descriptor {
    pub fn new() -> Descriptor {
        Descriptor {
            create_type: CreateType::Missing,
            extents: Extents::default(),
            broken: false,
            end: 0,
            hidden: false,
            lines: 0,
            seen: 0,
            said: 0,
            named: 0,
        }
    }

    /// Reads the text from `start` to `end`. A NUL byte ends it; what is
    /// behind that is looked at for what a reader that goes on would find.
    pub fn read(&mut self, start: u64, end: u64, image: &mut Image, report: &mut Report) {
        if let Some(title) = Lines::of(image.most(start, (end - start).min(PIECE) as usize), start).next() {
            if (title.length() > 0 || title.end != End::Nul) && !line::is_title(title.text) {
                self.say(keys::DESCRIPTOR_START, &title, 0, report);
            }
        }
        let seen = self.lines_of(start, end, image, report);
        if !self.hidden {
            self.end = seen;
        }
    }

    /// Looks from `start` to `end` for what a reader would find that takes
    /// more for text than the header says.
    pub fn read_hidden(&mut self, start: u64, end: u64, image: &mut Image, report: &mut Report) {
        self.hidden = true;
        self.lines_of(start, end, image, report);
    }

    /// Whether nothing is known of a createType where one should be.
    pub fn lacks_create_type(&self) -> bool {
        self.create_type == CreateType::Missing && self.lines < MAX_LINES
    }

    /// Takes all lines and returns where the last one ends.
    #[inline(never)]
    fn lines_of(&mut self, start: u64, end: u64, image: &mut Image, report: &mut Report) -> u64 {
        let mut at = start;
        let mut is_rest = false;
        while at < end {
            let want = (end - at).min(PIECE);
            let mut lines = Lines::of(image.most(at, want as usize), at);
            lines.is_last |= want == end - at;
            lines.is_rest = is_rest;
            loop {
                if self.hidden {
                    lines.skip_zeros();
                }
                match lines.next() {
                    Some(line) if self.lines < MAX_LINES => {
                        self.lines += line.weight();
                        if self.lines >= MAX_LINES || !line.is_plain() {
                            self.line(&line, report);
                        }
                    }
                    _ => break,
                }
            }
            if lines.used == 0 || self.lines >= MAX_LINES {
                break;
            }
            at += lines.used as u64;
            is_rest = lines.is_rest;
        }
        at
    }

    /// A line with something in it. Its parts are functions of their own, here
    /// and below: a call is charged for all of its function.
    #[inline(never)]
    fn line(&mut self, line: &Line, report: &mut Report) {
        let mut own = None;
        if line.counts {
            own = if self.hidden { self.hidden(line, report) } else { self.content(line, report) };
        }
        if line.words != 0 {
            self.searched(line, own, report);
        }
        if self.lines >= MAX_LINES || (!self.hidden && (line.stray != 0 || line.end == End::TooLong)) {
            self.defects(line, report);
        }
        if line.end == End::Nul && !self.hidden {
            self.hidden = true;
            self.end = line.place.offset + line.length();
        }
    }

    /// Reports a finding once, and that there is a defect.
    #[inline(never)]
    fn say(&mut self, finding: Finding, line: &Line, value: u64, report: &mut Report) {
        self.broken = true;
        let bit = 1 << (finding.0 & 31);
        if self.said & bit == 0 {
            self.said |= bit;
            report.finding(finding, line.place, [value, line::MAX_LINE as u64]);
        }
    }

    #[inline(never)]
    fn defects(&mut self, line: &Line, report: &mut Report) {
        if line.stray != 0 && !self.hidden {
            self.say(keys::DESCRIPTOR_TEXT, line, line.stray.into(), report);
        }
        if line.end == End::TooLong && !self.hidden {
            self.say(keys::DESCRIPTOR_LINE, line, 0, report);
        }
        if self.lines >= MAX_LINES {
            self.broken = true;
            report.finding(keys::DESCRIPTOR_LINES, line.place, [self.lines.into(), MAX_LINES.into()]);
        }
    }

    /// A line that is not blank and no comment; returns the place of its key
    /// among the single ones.
    #[inline(never)]
    fn content(&mut self, line: &Line, report: &mut Report) -> Option<usize> {
        match line::parse(line.text) {
            Content::Extent(extent) => {
                self.extents.add(&extent, line.place, report);
                if !extent.is_usual() {
                    self.say(keys::DESCRIPTOR_KEY, line, 0, report);
                }
                None
            }
            Content::Pair(key, value) => {
                let own = single(key);
                self.pair(own, key, value, line, report);
                own
            }
            Content::Other => {
                self.say(keys::DESCRIPTOR_LINE, line, 0, report);
                None
            }
        }
    }

    /// As `content`, of a line behind the end of the text.
    #[inline(never)]
    fn hidden(&mut self, line: &Line, report: &mut Report) -> Option<usize> {
        match line::parse(line.text) {
            Content::Extent(extent) => self.extents.add(&extent, line.place, report),
            Content::Pair(key, value) => match single(key) {
                None => return None,
                own => self.references(own, key, value, line, report),
            },
            Content::Other => return None,
        }
        self.say(keys::DESCRIPTOR_HIDDEN, line, 0, report);
        None
    }

    /// A key with its value; `own` is its place among the single keys.
    fn pair(&mut self, own: Option<usize>, key: &[u8], value: &[u8], line: &Line, report: &mut Report) {
        if let Some(own) = own {
            if SINGLE.get(own).map_or(true, |usual| *usual != key) {
                self.say(keys::DESCRIPTOR_KEY, line, 0, report);
            }
            if self.seen & 1 << own != 0 {
                self.say(keys::DESCRIPTOR_DUPLICATE, line, 0, report);
            } else if own == CREATE_TYPE {
                report.text(keys::CREATE_TYPE, line.place, extents::cut(value));
                self.create_type = match value {
                    b"monolithicSparse" => CreateType::MonolithicSparse,
                    b"streamOptimized" => CreateType::StreamOptimized,
                    _ => CreateType::Other,
                };
            }
            self.seen |= 1 << own;
        }
        if line::starts_fold(key, b"encryption") || line::starts_fold(key, b"ddb.encryption") {
            self.say(keys::ENCRYPTED, line, 0, report);
        }
        self.references(own, key, value, line, report);
    }

    /// Reports what a key says is outside of the file; `own` is its place
    /// among the single keys.
    #[inline(never)]
    fn references(&mut self, own: Option<usize>, key: &[u8], value: &[u8], line: &Line, report: &mut Report) {
        if own == Some(PARENT_CID) {
            if !line::equal_fold(value, NO_PARENT) {
                self.reference(keys::PARENT_CID, value, line, report);
            }
            return;
        }
        match line::find_fold(key, &NAMING) {
            // VirtualBox writes the UUID of a parent also when there is none.
            Some(0) if line::starts_fold(key, b"ddb.uuid.") && value.iter().all(|b| matches!(b, b'0' | b'-')) => (),
            Some(0) => self.reference(keys::PARENT, value, line, report),
            Some(_) => self.reference(keys::SIDE_FILE, value, line, report),
            None => (),
        }
    }

    #[inline(never)]
    fn reference(&mut self, kind: Reference, target: &[u8], line: &Line, report: &mut Report) {
        let end = line::position(target, b'"').unwrap_or(target.len());
        let target = target.get(..end).unwrap_or_default();
        self.named += 1;
        if self.named <= MAX_NAMED {
            report.reference(kind, line.place, extents::cut(target));
        }
    }

    /// A line with a word that readers search for anywhere: the key of the
    /// line is another one, or none.
    #[inline(never)]
    fn searched(&mut self, line: &Line, own: Option<usize>, report: &mut Report) {
        for (word, key) in [(line::PARENT_HINT, PARENT_HINT), (line::CREATE_TYPE, CREATE_TYPE)] {
            if line.words & word == 0 || own == Some(key) {
                continue;
            }
            self.say(keys::DESCRIPTOR_KEY, line, 0, report);
            if key == PARENT_HINT {
                self.reference(keys::PARENT, line::hint(line.text), line, report);
            }
        }
    }
}

/// The place of a key among the single ones, whatever its case.
#[inline(never)]
fn single(key: &[u8]) -> Option<usize> {
    SINGLE.into_iter().position(|k| k.len() == key.len() && line::equal_fold(k, key))
}
