//! Tacit protocols.
