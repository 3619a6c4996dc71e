//! Runs the parser of a probe natively and prints how long one run takes, for
//! `make bench` to hold against the same parser in the sandbox:
//!
//!     native PROBE FILE COUNT
//!
//! The file is read into memory once; COUNT runs at header depth are timed,
//! and the mean is printed in nanoseconds.

use assay_probe::native::{self, Runner};
use assay_probe::{Image, Outcome, Report};
use std::time::Instant;

type Probe = fn(&mut Image, &mut Report) -> Outcome;

/// Names the crates that hold a probe.
macro_rules! probes {
    ($($name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        fn find(name: &str) -> Option<(Runner, Probe)> {
            match name {
                $(stringify!($name) => Some(($name::runner(), $name::run)),)*
                _ => None,
            }
        }
    };
}

probes! {
    bochs,
    bzip2,
    cloop,
    dmg,
    gpt,
    gzip,
    iso,
    luks,
    lz4,
    lzma,
    mbr,
    ova,
    parallels,
    qcow,
    qcow2,
    qed,
    tar,
    vdi,
    vhd,
    vhdx,
    vmdk,
    xz,
    zip,
    zstd,
}

fn main() {
    match measure(std::env::args().skip(1).collect()) {
        Ok(nanoseconds) => println!("{:.1}", nanoseconds),
        Err(message) => {
            eprintln!("native: {}", message);
            std::process::exit(2);
        }
    }
}

fn measure(args: Vec<String>) -> Result<f64, String> {
    let (name, path, count) = match &args[..] {
        [name, path, count] => (name, path, count),
        _ => return Err("usage: native PROBE FILE COUNT".into()),
    };
    let (mut runner, probe) = find(name).ok_or_else(|| format!("no probe {}; there are: {}", name, NAMES.join(" ")))?;
    let count = count.parse::<u32>().ok().filter(|n| *n > 0).ok_or("COUNT must be a number above 0")?;
    let file = std::fs::read(path).map_err(|e| format!("{}: {}", path, e))?;
    native::load(&file);
    let size = file.len() as i64;
    let outcome = runner.run(probe, size, 0);
    if outcome == Outcome::NoMatch {
        return Err(format!("{} is no {}", path, name)); // and so nothing worth measuring
    }
    let start = Instant::now();
    for _ in 0..count {
        if runner.run(probe, size, 0) != outcome {
            return Err("two runs differ".into());
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(count))
}
