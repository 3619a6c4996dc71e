//! Running a probe without the sandbox: for tests of its parser and to
//! measure what the sandbox costs. Each thread has its own image and report.

use crate::{Buffers, Image, Outcome, Report};
use std::cell::RefCell;

#[derive(Default)]
struct State {
    file: Vec<u8>,
    records: Vec<u8>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Makes file the image of this thread and forgets what was reported.
pub fn load(file: &[u8]) {
    STATE.with(|s| {
        let s = &mut *s.borrow_mut();
        s.file.clear();
        s.file.extend_from_slice(file);
        s.records.clear();
    });
}

/// Returns what was reported since the last [`load`] or [`Runner::run`].
pub fn records() -> Vec<u8> {
    STATE.with(|s| s.borrow().records.clone())
}

/// See [`crate::host`].
pub fn read_at(offset: i64, buf: &mut [u8]) -> i32 {
    STATE.with(|s| {
        let file = &s.borrow().file;
        let offset = if offset < 0 { file.len() as i64 + offset } else { offset };
        let rest = usize::try_from(offset).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        n as i32
    })
}

/// See [`crate::host`].
pub fn report(bytes: &[u8]) {
    STATE.with(|s| s.borrow_mut().records.extend_from_slice(bytes));
}

/// The memory of a probe, for any number of runs.
pub struct Runner {
    window: Vec<u8>,
    cache: Vec<u8>,
    chunk: Vec<u8>,
    records: Vec<u8>,
}

impl Runner {
    /// Memory of the sizes that the probe declares, in bytes.
    pub fn new(window: usize, cache: usize, chunk: usize) -> Self {
        Runner { window: vec![0; window], cache: vec![0; cache], chunk: vec![0; chunk], records: vec![0; crate::RECORDS] }
    }

    /// Runs a probe over the thread's image.
    pub fn run(&mut self, probe: fn(&mut Image, &mut Report) -> Outcome, size: i64, depth: i32) -> Outcome {
        STATE.with(|s| s.borrow_mut().records.clear());
        let n = read_at(0, &mut self.window) as usize;
        let buffers = Buffers { window: &self.window[..n], cache: &mut self.cache, chunk: &mut self.chunk };
        probe(&mut Image::new(buffers, size, depth), &mut Report::new(&mut self.records))
    }
}
