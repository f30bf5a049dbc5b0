//! Tacit benches.
