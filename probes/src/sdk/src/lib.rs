//! What a probe is written with: ABI v1 of Assay (docs/abi.md).
//!
//! A probe is one function from an [`Image`] to an [`Outcome`] that says what
//! it saw to a [`Report`], and the [`probe!`] macro that makes a module of it:
//!
//! ```ignore
//! assay_probe::probe! { manifest: "../manifest.json", window: 512, cache: 4096, chunk: 0, run: probe }
//!
//! fn probe(image: &mut Image, report: &mut Report) -> Outcome { … }
//! ```
//!
//! The image may hold anything. The rules that keep a probe from trapping:
//! read by `get` and the methods of [`Bytes`], which return `None` where there
//! is nothing, and never by index; compute with offsets from the image by
//! checked or saturating arithmetic, or after a bound is checked; do not
//! recurse, and call through no function pointers or trait objects (the loader
//! refuses a module whose call graph has a cycle, and counts an indirect call
//! as a call of every function in the table).
//!
//! The crate has no dependencies and allocates nothing.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod bytes;
pub mod crc32;
pub mod host;
mod image;
pub mod keys;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
mod report;
pub mod text;

pub use bytes::Bytes;
pub use image::{Buffers, Image};
pub use report::{Finding, Flag, Number, Place, Reference, Report, Text, MAX_TEXT};

/// What a probe concludes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(i32)]
pub enum Outcome {
    /// The bytes are not of the format.
    NoMatch = 0,
    /// The bytes are of the format.
    Match = 1,
    /// The bytes are of the format, and so damaged or cut that what follows
    /// the damage was not looked at.
    Malformed = 2,
}

/// Bytes that gather records between two calls of the host.
pub const RECORDS: usize = 1024;

/// Memory that the host or the only thread of a module writes. It has no
/// references of its own; [`probe!`] hands it out once a run.
#[repr(transparent)]
pub struct Region<const N: usize>(core::cell::UnsafeCell<[u8; N]>);

// SAFETY: a module has one thread.
unsafe impl<const N: usize> Sync for Region<N> {}

impl<const N: usize> Region<N> {
    /// A region of zeros, which takes no space in the module.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Region(core::cell::UnsafeCell::new([0; N]))
    }

    /// The region's bytes.
    ///
    /// # Safety
    /// Nothing else may hold a reference to them.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn bytes(&self) -> &mut [u8] {
        &mut *self.0.get()
    }
}

/// Declares the module's manifest, memory and exports.
///
/// * `manifest`: the file with the manifest, relative to the source file;
/// * `window`: bytes of the head of the file, as in the manifest;
/// * `cache`, `chunk`: sizes of the buffers of [`Image::bytes`] and
///   [`Image::chunk`], in bytes;
/// * `run`: the probe.
#[macro_export]
macro_rules! probe {
    (manifest: $manifest:literal, window: $window:literal, cache: $cache:literal, chunk: $chunk:literal, run: $run:path $(,)?) => {
        /// Returns the memory for runs outside the sandbox.
        #[cfg(not(target_arch = "wasm32"))]
        pub fn runner() -> $crate::native::Runner {
            $crate::native::Runner::new($window, $cache, $chunk)
        }

        #[cfg(target_arch = "wasm32")]
        mod assay_module {
            use $crate::{Buffers, Image, Region, Report, RECORDS};

            #[used]
            #[link_section = "assay.manifest"]
            static MANIFEST: [u8; include_bytes!($manifest).len()] = *include_bytes!($manifest);

            // Exported as a global that holds its address.
            #[no_mangle]
            #[allow(non_upper_case_globals)]
            pub static assay_window: Region<$window> = Region::new();
            static CACHE: Region<$cache> = Region::new();
            static CHUNK: Region<$chunk> = Region::new();
            static RECORD: Region<RECORDS> = Region::new();

            #[no_mangle]
            pub extern "C" fn assay_probe(window_len: u32, size: i64, depth: i32) -> i32 {
                // SAFETY: the host calls this once in an instance, or when the
                // last call has returned: these are the only references.
                let (window, cache, chunk, record) =
                    unsafe { (assay_window.bytes(), CACHE.bytes(), CHUNK.bytes(), RECORD.bytes()) };
                let window = window.get(..window_len as usize).unwrap_or_default();
                let mut report = Report::new(record);
                $run(&mut Image::new(Buffers { window, cache, chunk }, size, depth), &mut report) as i32
            }

            #[panic_handler]
            fn panic(_: &core::panic::PanicInfo) -> ! {
                core::arch::wasm32::unreachable()
            }
        }
    };
}

/// The code in the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/adding-a-probe.md")]
struct Guide;
