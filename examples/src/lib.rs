//! Examples, one per audience:
//!
//! - `operator`: an operator in ten lines, checked on every engine (library authors);
//! - `benchmark`: what a protocol costs, offline and online apart, on a simulated network
//!   (researchers);
//! - `shamir`: a protocol of one's own, in one file: [`mod@shamir`], its laws and its figures
//!   (researchers);
//! - `embedded`: a joint count among three programs over QUIC, from library code (pipelines).
//!
//! Run one with `cargo run --release -p tacit-examples --example NAME`.

pub mod shamir;

/// The code on the page for researchers compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../docs/PROTOCOLS.md")]
pub struct Protocols;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_file_that_the_page_for_researchers_names_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = include_str!("../../docs/PROTOCOLS.md");
        let quoted = page.split('`').skip(1).step_by(2);
        let files: Vec<&str> = quoted
            .filter(|word| word.contains('/') || Path::new(word).extension().is_some())
            .filter(|word| !word.contains(char::is_whitespace))
            .collect();
        assert!(files.len() > 15, "{files:?}");
        for file in files {
            assert!(root.join(file).exists(), "{file}");
        }
    }
}
