//! The two functions of the host (import module `assay_v1`), and in a native
//! build what stands for them: the bytes and the report of the thread.

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "assay_v1")]
    extern "C" {
        pub fn read_at(offset: i64, ptr: *mut u8, len: u32) -> i32;
        pub fn report(ptr: *const u8, len: u32);
    }
}

/// Reads at an offset, a negative one counts from the end, and returns the
/// number of bytes read: short at the end of the file, negative when the bytes
/// have not arrived.
#[cfg(target_arch = "wasm32")]
pub fn read_at(offset: i64, buf: &mut [u8]) -> i32 {
    // SAFETY: the host writes at most `len` bytes at `ptr`.
    unsafe { imports::read_at(offset, buf.as_mut_ptr(), buf.len() as u32) }
}

/// Appends bytes to the report.
#[cfg(target_arch = "wasm32")]
pub fn report(bytes: &[u8]) {
    // SAFETY: the host reads `len` bytes at `ptr`.
    unsafe { imports::report(bytes.as_ptr(), bytes.len() as u32) }
}

#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::{read_at, report};
