//! Tacit client.
