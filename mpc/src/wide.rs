//! Loops over words, compiled for several instruction sets, of which the best that the machine has
//! is chosen at run time (on x86-64 AVX-512, AVX2 or SSE, NEON on ARM).
//!
//! A loop is a plain function that is always inlined; [`wide!`] runs it. All versions are made from
//! the same integer operations, so that they give equal bits.

/// Evaluates an expression, calls of functions that are always inlined, with the widest
/// instructions that this machine has.
macro_rules! wide {
    ($run:expr) => {
        fearless_simd::dispatch!(fearless_simd::Level::new(), _ => $run)
    };
}
pub(crate) use wide;

#[cfg(test)]
pub(crate) mod testing {
    use fearless_simd::Level;

    /// Every set of instructions that this machine has and a loop is compiled for.
    pub(crate) fn levels() -> Vec<Level> {
        let best = Level::new();
        let mut levels = vec![best, Level::baseline()];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(best.as_sse4_2().map(Level::Sse4_2));
            levels.extend(best.as_avx2().map(Level::Avx2));
        }
        levels
    }

    /// Words with edge values among them.
    pub(crate) fn words(count: u64, by: u64) -> Vec<u64> {
        let word = |i: u64| match i % 7 {
            0 => u64::MAX,
            1 => 1 << 63,
            2 => 0,
            _ => i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(by as u32 * 7),
        };
        (0..count).map(|i| word(i + by)).collect()
    }
}
