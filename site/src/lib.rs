//! Tacit site.
