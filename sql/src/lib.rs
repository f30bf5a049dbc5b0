//! Tacit sql.
