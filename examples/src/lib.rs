//! Tacit examples.
