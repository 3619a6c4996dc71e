//! One line of a descriptor (section The Descriptor File), as bytes: what kind
//! it is, and its parts. Nothing here reads or reports.

use crate::descriptor::PIECE;
use assay_probe::{Bytes, Place};

/// Where a line ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Newline,
    Nul,
    /// With the bytes there are.
    Text,
    TooLong,
}

/// Longest line, in bytes.
pub const MAX_LINE: usize = 1024;

/// A line in its place, and what one pass over its bytes shows.
pub struct Line<'a> {
    pub place: Place,
    /// Without the end.
    pub text: &'a [u8],
    pub end: End,
    /// It is not blank, no comment, and not the rest of a line.
    pub counts: bool,
    /// A byte at which some reader would split the line, or 0.
    pub stray: u8,
    /// Words that stand anywhere in it, in any case.
    pub words: u8,
}

impl Line<'_> {
    /// What it takes of [`MAX_LINES`](crate::descriptor::MAX_LINES).
    pub fn weight(&self) -> u32 {
        if self.counts {
            8
        } else {
            1
        }
    }

    /// Whether nothing of it is of use: it is blank or a comment like others.
    pub fn is_plain(&self) -> bool {
        !self.counts && self.words | self.stray == 0 && self.end == End::Newline
    }

    pub fn length(&self) -> u64 {
        self.text.len() as u64
    }
}

/// The lines of a piece of text.
pub struct Lines<'a> {
    piece: &'a [u8],
    /// Offset of the piece.
    at: u64,
    /// Bytes of the lines that were taken.
    pub used: usize,
    /// No more text follows the piece, so that its last line is whole.
    pub is_last: bool,
    /// What comes next is the rest of a line that is too long.
    pub is_rest: bool,
    /// The line that was taken last, which is written and looked at where it
    /// is: to copy it takes as long as to scan a short one.
    line: Line<'a>,
}

impl<'a> Lines<'a> {
    /// The lines of a piece that was read at an offset; a short one is the
    /// last.
    pub fn of(piece: &'a [u8], at: u64) -> Lines<'a> {
        let line = Line { place: Place::NONE, text: &[], end: End::Text, counts: false, stray: 0, words: 0 };
        Lines { piece, at, used: 0, is_last: piece.len() < PIECE as usize, is_rest: false, line }
    }

    /// The next line; `None` when it is not all in the piece.
    #[inline(never)]
    pub fn next(&mut self) -> Option<&Line<'a>> {
        let rest = self.piece.get(self.used..)?;
        if rest.is_empty() || (!self.is_last && rest.len() <= MAX_LINE) {
            return None;
        }
        scan(rest, self.at + self.used as u64, &mut self.line);
        self.line.counts &= !self.is_rest;
        self.is_rest = self.line.end == End::TooLong;
        self.used += self.line.text.len() + usize::from(matches!(self.line.end, End::Newline | End::Nul));
        Some(&self.line)
    }

    /// Leaves out NUL bytes.
    #[inline(never)]
    pub fn skip_zeros(&mut self) {
        for eight in self.piece.get(self.used..).unwrap_or_default().chunks_exact(8) {
            if word(eight) != 0 {
                break;
            }
            self.used += 8;
        }
        while self.piece.u8(self.used) == Some(0) {
            self.used += 1;
        }
    }
}

/// Words that some readers search for anywhere in the text.
const HINT: &[u8] = b"parentfilenamehint";
pub const PARENT_HINT: u8 = 1;
pub const CREATE_TYPE: u8 = 2;

/// Looks at the first line of bytes, or the first [`MAX_LINE`] of it. A loop
/// is charged for all that stands in it, so the one over every byte only looks
/// for those that matter.
#[inline(never)]
fn scan<'a>(bytes: &'a [u8], offset: u64, line: &mut Line<'a>) {
    let text = bytes.get(..MAX_LINE).unwrap_or(bytes);
    line.text = text;
    line.end = if bytes.len() > MAX_LINE { End::TooLong } else { End::Text };
    line.stray = 0;
    line.words = 0;
    let mut at = 0;
    while at < text.len() {
        at = skip_plain(text, at);
        match text.get(at) {
            None => break,
            Some(b'\n') => line.end = End::Newline,
            Some(0) => line.end = End::Nul,
            Some(_) => {
                take(bytes, at, line);
                at += 1;
                continue;
            }
        }
        line.text = text.get(..at).unwrap_or_default();
        break;
    }
    line.place = Place::new(offset, line.length());
    let first = line.text.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    line.counts = !matches!(first, None | Some(b'#'));
}

/// Eight bytes as a number, the first in the low byte.
#[inline(always)]
fn word(eight: &[u8]) -> u64 {
    eight.try_into().map_or(0, u64::from_le_bytes)
}

/// A one in every byte, and all but the high bit of every byte.
const EVERY: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = EVERY * 0x7f;

/// The high bit of every byte that can matter: a control character, or a `p`
/// in any case, which both words have. The lowest is exact, the ones above it
/// may be too many.
#[inline(always)]
fn marks(x: u64) -> u64 {
    // One more makes the delete character zero, and the others below 0x20 the
    // next ones; with the high bit set, no byte borrows from the next.
    let text = (((x & LOW) + EVERY) | !LOW) - EVERY * 0x21;
    let p = (x | EVERY * 0x20) ^ EVERY * u64::from(b'p');
    (!(text | x) | (p.wrapping_sub(EVERY) & !p)) & !LOW
}

/// Whether [`marks`] of two words are surely empty, in half the time: false
/// also for bytes of other alphabets.
#[inline(always)]
fn are_plain(a: u64, b: u64) -> bool {
    // Bit 5 or 6 is set in all but control characters.
    let printable = (a | a << 1) & (b | b << 1);
    let p = |x: u64| ((x | EVERY * 0x20) ^ EVERY * u64::from(b'p')).wrapping_sub(EVERY);
    let other = a | b | a.wrapping_add(EVERY) | b.wrapping_add(EVERY) | p(a) | p(b);
    (printable & EVERY * 0x40) | (other & !LOW) == EVERY * 0x40
}

/// The offset of the first byte from `at` on that can matter, or one up to 15
/// bytes before the end. Sixteen bytes at a time: most text has none.
#[inline(always)]
fn skip_plain(text: &[u8], mut at: usize) -> usize {
    for pair in text.get(at..).unwrap_or_default().chunks_exact(16) {
        let (low, high) = pair.split_at(8);
        let (low, high) = (word(low), word(high));
        if !are_plain(low, high) {
            let (low, high) = (marks(low), marks(high));
            if low | high != 0 {
                let (from, marks) = if low != 0 { (at, low) } else { (at + 8, high) };
                return from + (marks.trailing_zeros() >> 3) as usize;
            }
        }
        at += 16;
    }
    at
}

/// How many bytes there are before the first that is not a space, tab or line
/// end. Eight at a time, for text that is mostly that, and mostly the
/// same.
#[inline(never)]
pub fn blank(text: &[u8]) -> usize {
    let is = |x: u64, byte: u8| {
        let other = x ^ EVERY * u64::from(byte);
        // The high bit of each byte that is equal.
        !(((other & LOW) + LOW) | other | LOW)
    };
    let (mut at, mut known) = (0, EVERY * u64::from(b' '));
    for x in text.chunks_exact(8).map(word) {
        if x != known && is(x, b' ') | is(x, b'\t') | is(x, b'\r') | is(x, b'\n') != !LOW {
            break;
        }
        known = x;
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default().iter();
    at + rest.take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// Takes a byte that may matter and does not end the line.
#[inline(never)]
fn take(bytes: &[u8], at: usize, line: &mut Line) {
    match bytes.u8(at).unwrap_or(0) {
        b'p' | b'P' => line.words |= word_around(bytes, at),
        b'\t' => (),
        b'\r' if matches!(bytes.u8(at + 1), None | Some(b'\n')) => (),
        stray if stray < b' ' || stray == 0x7f => line.stray = stray,
        _ => (),
    }
}

/// The word that has its only `p` at an offset.
fn word_around(bytes: &[u8], at: usize) -> u8 {
    if bytes.get(at..).map_or(false, |from| starts_fold(from, HINT)) {
        return PARENT_HINT;
    }
    match at.checked_sub(8).and_then(|start| bytes.get(start..)) {
        Some(from) if starts_fold(from, b"createtype") => CREATE_TYPE,
        _ => 0,
    }
}

/// What a line is that is not blank and no comment.
pub enum Content<'a> {
    Extent(Extent<'a>),
    /// `key = value`, the value without its quotes.
    Pair(&'a [u8], &'a [u8]),
    Other,
}

/// An extent line: `ACCESS SECTORS TYPE "NAME" OFFSET`.
pub struct Extent<'a> {
    access: &'a [u8],
    kind: &'a [u8],
    /// In sectors; 0 when it is no number, or one that is too large.
    pub sectors: u64,
    /// Without quotes; what there is when a quote is missing.
    pub name: &'a [u8],
    /// The name is in quotes, and nothing follows.
    ends_with_name: bool,
}

const ACCESSES: [&[u8]; 3] = [b"RW", b"RDONLY", b"NOACCESS"];
/// Types whose sectors qemu's driver counts, for access RW.
const COUNTED: [&[u8]; 5] = [b"FLAT", b"SPARSE", b"VMFS", b"VMFSSPARSE", b"SESPARSE"];

impl<'a> Extent<'a> {
    /// The extent that a line describes, if its first word is an access,
    /// whatever its case.
    fn parse(line: &'a [u8]) -> Option<Extent<'a>> {
        if !matches!(line.first(), Some(b'R' | b'r' | b'N' | b'n')) {
            return None;
        }
        let (access, rest) = first_word(line);
        if !ACCESSES.into_iter().any(|a| equal_fold(access, a)) {
            return None;
        }
        let (sectors, rest) = first_word(rest);
        let (kind, rest) = first_word(rest);
        let (name, ends_with_name) = match rest.split_first() {
            Some((b'"', quoted)) => match position(quoted, b'"') {
                Some(at) => (quoted.get(..at), quoted.get(at + 1..).unwrap_or_default().is_empty()),
                None => (Some(quoted), false),
            },
            _ => (Some(rest), false),
        };
        let sectors = number(sectors).unwrap_or(0);
        Some(Extent { access, kind, sectors, name: name.unwrap_or_default(), ends_with_name })
    }

    /// Whether access and type are written as every reader takes them.
    pub fn is_usual(&self) -> bool {
        let upper = |word: &[u8]| !word.iter().any(u8::is_ascii_lowercase);
        upper(self.access) && upper(self.kind)
    }

    /// Whether the line describes a sparse file of this capacity and nothing
    /// else, and with which access.
    pub fn describes(&self, capacity: u64) -> Option<Access> {
        let fits = self.kind == b"SPARSE" && self.ends_with_name && !self.name.is_empty() && self.sectors == capacity;
        match self.access {
            b"RW" if fits => Some(Access::ReadWrite),
            b"RDONLY" if fits => Some(Access::ReadOnly),
            _ => None,
        }
    }

    /// Sectors of the disk that qemu's driver would see here.
    pub fn counted(&self) -> u64 {
        match self.access {
            b"RW" if COUNTED.into_iter().any(|k| k == self.kind) => self.sectors,
            _ => 0,
        }
    }
}

/// Access of an extent that can be the file itself.
pub enum Access {
    ReadWrite,
    ReadOnly,
}

/// Says what a line is that counts.
pub fn parse(line: &[u8]) -> Content {
    let line = trim(line);
    if let Some(extent) = Extent::parse(line) {
        return Content::Extent(extent);
    }
    match position(line, b'=') {
        Some(at) => {
            let (key, value) = (line.get(..at), line.get(at + 1..));
            Content::Pair(trim(key.unwrap_or_default()), unquote(trim(value.unwrap_or_default())))
        }
        None => Content::Other,
    }
}

/// Whether a line is the title of a descriptor, in any spacing and case.
pub fn is_title(line: &[u8]) -> bool {
    let mut rest = line.iter().filter(|b| !matches!(b, b' ' | b'\t' | b'\r'));
    for want in b"#diskdescriptorfile" {
        if rest.next().map(u8::to_ascii_lowercase) != Some(*want) {
            return false;
        }
    }
    rest.next().is_none()
}

/// Whether bytes start with a word of lower case letters, whatever their case.
pub fn starts_fold(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).map_or(false, |b| equal_fold(b, word))
}

/// The first place where one of some words of lower case letters stands in
/// bytes, whatever its case, as the word's number.
pub fn find_fold(bytes: &[u8], words: &[&[u8]]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((b, after)) = rest.split_first() {
        let b = b | 0x20;
        if let Some(found) = words.iter().position(|word| word.first() == Some(&b) && starts_fold(rest, word)) {
            return Some(found);
        }
        rest = after;
    }
    None
}

/// The name behind a parentFileNameHint that stands anywhere in a line, up to
/// the line's end.
pub fn hint(line: &[u8]) -> &[u8] {
    let mut rest = line;
    while let Some((_, after)) = rest.split_first() {
        if starts_fold(rest, HINT) {
            break;
        }
        rest = after;
    }
    let mut name = rest.get(HINT.len()..).unwrap_or_default();
    while let Some((b' ' | b'\t' | b'=', after)) = name.split_first() {
        name = after;
    }
    match name {
        [b'"', name @ ..] => name,
        _ => name,
    }
}

/// Whether two words are equal but for the case of ASCII letters.
pub fn equal_fold(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Without spaces, tabs and carriage returns at both ends.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t' | b'\r', rest)) = bytes.split_first() {
        bytes = rest;
    }
    while let Some((b' ' | b'\t' | b'\r', rest)) = bytes.split_last() {
        bytes = rest;
    }
    bytes
}

fn unquote(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'"', inside @ .., b'"'] => inside,
        _ => bytes,
    }
}

/// Splits off the first word; what follows has no spaces before it.
fn first_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    let mut len = 0;
    while let Some((b, after)) = rest.split_first() {
        if matches!(b, b' ' | b'\t') {
            break;
        }
        rest = after;
        len += 1;
    }
    (bytes.get(..len).unwrap_or_default(), trim(rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(d - b'0'))?;
    }
    Some(n)
}

pub fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    for b in bytes {
        if *b == byte {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks() {
        for n in 0..40 {
            for other in [b"x", b"\0", b"\x0b", b"\x21", b"\xa0", b"\x8a"] {
                let text: Vec<u8> = (0..n).map(|i| b" \t\r\n"[i % 4]).chain(*other).chain(*b"   \n\n\n\n\n\n\n\n").collect();
                assert_eq!(blank(&text), n, "{text:?}");
                assert_eq!(blank(&text[..n]), n);
            }
        }
    }

    #[test]
    fn titles() {
        for title in ["# Disk DescriptorFile", "#Disk Descriptor File\r", "# disk descriptorfile "] {
            assert!(is_title(title.as_bytes()), "{title}");
        }
        for other in ["", "#", "Disk DescriptorFile", "# Disk Descriptor", "# Disk DescriptorFiles"] {
            assert!(!is_title(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn self_extents() {
        let describes = |line: &str| match parse(line.as_bytes()) {
            Content::Extent(e) => e.describes(2048).is_some(),
            _ => panic!("{line} is no extent"),
        };
        for line in ["RW 2048 SPARSE \"a.vmdk\"", " RW  2048\tSPARSE  \"a b.vmdk\"\r", "RDONLY 2048 SPARSE \"a\""] {
            assert!(describes(line), "{line}");
        }
        for line in [
            "RW 2048 SPARSE \"a.vmdk\" 0", "RW 2048 SPARSE \"a.vmdk", "RW 2048 SPARSE a.vmdk", "RW 2048 SPARSE", "RW",
            "RW 2047 SPARSE \"a\"", "RW 2048 FLAT \"a\"", "rw 2048 SPARSE \"a\"", "RW 2048 sparse \"a\"", "NOACCESS 2048 SPARSE \"a\"",
            "RW 18446744073709553664 SPARSE \"a\"", "RW +2048 SPARSE \"a\"", "RW 2048 SPARSE \"\"", "RW 2048 SPARSE \"a\" \"b\"",
        ] {
            assert!(!describes(line), "{line}");
        }
    }

    #[test]
    fn hints() {
        for (line, name) in [
            ("# xparentFileNameHint=\"a b", "a b"), ("PARENTFILENAMEHINT = a", "a"), ("parentFileNameHint", ""), ("", ""),
        ] {
            assert_eq!(hint(line.as_bytes()), name.as_bytes(), "{line}");
        }
    }

    #[test]
    fn pairs() {
        for (line, key, value) in [
            ("CID=123", "CID", "123"), (" ddb.a = \"x = y\" \r", "ddb.a", "x = y"), ("k=", "k", ""), ("k=\"", "k", "\""), ("=v", "", "v"),
        ] {
            match parse(line.as_bytes()) {
                Content::Pair(k, v) => assert_eq!((k, v), (key.as_bytes(), value.as_bytes()), "{line}"),
                _ => panic!("{line} is no pair"),
            }
        }
        assert!(matches!(parse(b"RWX 1"), Content::Other));
    }

    fn scanned(bytes: &[u8], offset: u64) -> Line {
        let mut line = Lines::of(&[], 0).line;
        scan(bytes, offset, &mut line);
        line
    }

    #[test]
    fn scans() {
        let s = scanned(b"x\ty\r\nz", 5);
        assert_eq!((s.text, s.counts, s.stray, s.words, s.end), (&b"x\ty\r"[..], true, 0, 0, End::Newline));
        assert_eq!(s.place, Place::new(5, 4));
        let s = scanned(b" # x\ry\0", 0);
        assert_eq!((s.text, s.counts, s.stray, s.end), (&b" # x\ry"[..], false, b'\r', End::Nul));
        let s = scanned(&[b'x'; MAX_LINE + 1], 0);
        assert_eq!((s.length(), s.counts, s.end), (MAX_LINE as u64, true, End::TooLong));
        let s = scanned(b"  ", 0);
        assert_eq!((s.length(), s.counts, s.end), (2, false, End::Text));
        assert_eq!((scanned(b"\n", 0).end, scanned(b"", 0).length()), (End::Newline, 0));
        for (line, words) in [
            ("parentFileNameHint", PARENT_HINT), ("# xPARENTFILENAMEHINTx", PARENT_HINT), ("createType=x", CREATE_TYPE),
            ("createtype parentfilenamehint", CREATE_TYPE | PARENT_HINT), ("parentFileNameHin", 0), ("arentFileNameHint", 0),
            ("createTyp", 0), ("reateType", 0), ("pP", 0), ("pparentFileNameHint", PARENT_HINT),
        ] {
            assert_eq!(scanned(line.as_bytes(), 0).words, words, "{line}");
        }
    }

    #[test]
    fn every_byte_that_matters_is_seen() {
        for byte in 0..=255u8 {
            for at in 0..40 {
                let mut text = [b'x'; 40];
                text[at] = byte;
                let s = scanned(&text, 0);
                let ends = matches!(byte, 0 | b'\n');
                let plain = byte == b'\t' || (byte == b'\r' && at == 39) || ends;
                assert_eq!(s.stray, if (byte < b' ' && !plain) || byte == 0x7f { byte } else { 0 }, "{byte} at {at}");
                assert_eq!(s.text.len(), if ends { at } else { 40 }, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn lines() {
        let mut lines = Lines::of(b"a\n\nbc\0\0\0d", 10);
        let next = |lines: &mut Lines| lines.next().map(|line| (line.place.offset, line.text.to_vec(), line.end));
        assert_eq!(next(&mut lines), Some((10, b"a".to_vec(), End::Newline)));
        assert_eq!(next(&mut lines), Some((12, vec![], End::Newline)));
        assert_eq!(next(&mut lines), Some((13, b"bc".to_vec(), End::Nul)));
        lines.skip_zeros();
        assert_eq!(next(&mut lines), Some((18, b"d".to_vec(), End::Text)));
        assert_eq!(next(&mut lines), None);
        lines = Lines::of(b"a\n", 0);
        lines.is_last = false;
        assert!(lines.next().is_none());
    }

    #[test]
    fn folding() {
        let words: &[&[u8]] = &[b"parent", b"path"];
        for (text, found) in [("# xPARENTfilenamehint", Some(0)), ("pparent", Some(0)), ("parenPath", Some(1)), ("paren", None), ("", None)] {
            assert_eq!(find_fold(text.as_bytes(), words), found, "{text}");
        }
    }
}
