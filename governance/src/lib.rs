//! Tacit governance.
