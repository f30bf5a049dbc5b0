//! Numbers, bytes and times for people.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with a unit, three significant digits.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB"])
}

/// Seconds with a unit, three significant digits.
pub fn seconds(seconds: f64) -> String {
    if seconds < 1.0 {
        scaled(seconds * 1e6, 1000.0, &["µs", "ms", "s"])
    } else if seconds < 100.0 {
        format!("{} s", significant(seconds))
    } else {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// A duration with a unit.
pub fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

/// `one` or `many`, with the number before it.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step - 0.5 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    if unit == 0 {
        format!("{value:.0} {}", units[0])
    } else {
        format!("{} {}", significant(value), units[unit])
    }
}

fn significant(value: f64) -> String {
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1234), "1.23 kB");
        assert_eq!(bytes(56_789_000), "56.8 MB");
        assert_eq!(seconds(0.000_05), "50 µs");
        assert_eq!(seconds(0.3), "300 ms");
        assert_eq!(seconds(12.345), "12.3 s");
        assert_eq!(seconds(125.0), "2 min 05 s");
        assert_eq!(plural(1, "cell", "cells"), "1 cell");
    }
}
