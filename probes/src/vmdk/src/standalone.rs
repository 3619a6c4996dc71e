//! A file that is a descriptor and nothing else. It has no magic: what makes
//! it one is looked for in the text, as every reader would that we know of.

use crate::descriptor::{self, Descriptor, PIECE};
use crate::line::{self, Content, End, Line, Lines};
use crate::SECTOR;
use assay_probe::keys::{self as core_keys, vmdk as keys};
use assay_probe::{Image, Outcome, Place, Report};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Letters of the shortest title.
const TITLE: u64 = 19;

pub fn run(image: &mut Image, report: &mut Report) -> Outcome {
    if is_wide(image.head()) {
        let start = Place::new(0, image.head().len() as u64);
        report.finding(keys::DESCRIPTOR_ENCODING, start, []);
        report.finding(keys::DESCRIPTOR_ONLY, start, []);
        return Outcome::Malformed;
    }
    let start = match image.head().get(..BYTE_ORDER_MARK.len()) {
        Some(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len() as u64,
        _ => 0,
    };
    if !is_descriptor(start, image) {
        return Outcome::NoMatch;
    }
    let mut text = Descriptor::new();
    text.read(0, descriptor::MAX_TEXT + 1, image, report);
    report.number(keys::DESCRIPTOR_BYTES, Place::NONE, text.end);
    if text.end > descriptor::MAX_TEXT {
        report.finding(keys::DESCRIPTOR_SIZE, Place::new(0, text.end), [text.end, descriptor::MAX_TEXT]);
        text.broken = true;
    }
    // The line may be in what has not arrived.
    if image.size().is_some() && text.lacks_create_type() {
        report.finding(keys::CREATE_TYPE_MISSING, Place::new(0, text.end), []);
        text.broken = true;
    }
    text.extents.finish(None, image, report);
    report.number(core_keys::VIRTUAL_SIZE, Place::NONE, text.extents.sectors.saturating_mul(SECTOR));
    report.finding(keys::DESCRIPTOR_ONLY, Place::new(0, text.end), []);
    if text.broken {
        Outcome::Malformed
    } else {
        Outcome::Match
    }
}

/// Whether the text from `start` on is a descriptor: it has the title, or a
/// version before anything else (which is what qemu's driver looks for), or a
/// createType and another key or line that goes with it.
fn is_descriptor(start: u64, image: &mut Image) -> bool {
    let mut signs = Signs::default();
    let mut at = skip_blank(start, image);
    let mut is_rest = false;
    while at < descriptor::MAX_TEXT {
        let mut lines = Lines::of(image.most(at, PIECE as usize), at);
        lines.is_rest = is_rest;
        while let Some(line) = lines.next() {
            if signs.take(&line) {
                return true;
            }
            if line.end == End::Nul || signs.lines >= descriptor::MAX_LINES {
                return false;
            }
        }
        if lines.used == 0 {
            return false;
        }
        at += lines.used as u64;
        is_rest = lines.is_rest;
    }
    false
}

/// The offset of the first byte that is not a space, tab or line end, of as
/// much as a descriptor may have.
fn skip_blank(mut at: u64, image: &mut Image) -> u64 {
    while at < descriptor::MAX_TEXT {
        let piece = image.most(at, PIECE as usize);
        let blank = line::blank(piece);
        at += blank as u64;
        if blank == 0 || blank < piece.len() {
            break;
        }
    }
    at
}

/// What was seen of a descriptor.
#[derive(Default)]
struct Signs {
    create_type: bool,
    other: bool,
    /// A line that counts.
    any: bool,
    /// Lines, in the measure of [`descriptor::MAX_LINES`].
    lines: u32,
}

impl Signs {
    /// Takes a line; returns whether that is enough.
    #[inline(never)]
    fn take(&mut self, line: &Line) -> bool {
        self.lines += line.weight();
        if line.counts {
            self.content(line)
        } else {
            line.length() >= TITLE && line::is_title(line.text)
        }
    }

    #[inline(never)]
    fn content(&mut self, line: &Line) -> bool {
        match line::parse(line.text) {
            Content::Extent(_) => self.other = true,
            Content::Pair(key, value) => {
                let is_version = line::equal_fold(key, b"version");
                if is_version && !self.any && matches!(value, b"1" | b"2" | b"3") {
                    return true;
                }
                self.create_type |= line::equal_fold(key, b"createType");
                self.other |= is_version || line::equal_fold(key, b"CID") || line::equal_fold(key, b"parentCID");
            }
            Content::Other => (),
        }
        self.any = true;
        self.create_type && self.other
    }
}

/// Whether the file starts with a descriptor's title, or has a key of one, in
/// 16-bit characters of either byte order.
fn is_wide(head: &[u8]) -> bool {
    if head.iter().take(4).all(|b| *b != 0 && *b < 0xfe) {
        return false;
    }
    let words: [&[u8]; 2] = [b"descriptorfile", b"createtype"];
    let mut rest = head;
    while !rest.is_empty() {
        if words.into_iter().any(|word| starts_wide(rest, word)) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// Whether bytes start with a word of lower case letters, every other byte of
/// which is zero, whatever its case.
fn starts_wide(bytes: &[u8], word: &[u8]) -> bool {
    let mut pairs = bytes.chunks_exact(2);
    word.iter().all(|want| match pairs.next() {
        Some([b, 0]) => b.to_ascii_lowercase() == *want,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_wide;

    #[test]
    fn wide() {
        for text in ["# Disk DescriptorFile\n", "\n\nCREATETYPE=\"x\""] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert!(is_wide(&little) && is_wide(&big), "{text}");
            assert!(is_wide(&[b"\xff\xfe", &little[..]].concat()) && is_wide(&[b"\xfe\xff", &big[..]].concat()), "{text}");
            assert!(!is_wide(text.as_bytes()), "{text}");
        }
        assert!(!is_wide(b""));
        assert!(!is_wide(b"\0\0\0\0"));
    }
}
