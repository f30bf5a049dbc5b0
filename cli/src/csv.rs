//! Records of a CSV file as they stand, byte for byte, for splitting a file without rewriting it.
//!
//! A record ends at a line feed outside quotes; a quote opens a field only at its beginning, and
//! two quotes inside stand for one, as in RFC 4180 and in the reader that a site uses.

use std::io::{self, BufRead};

/// Longest record that is read: a quote that is never closed would swallow the file.
const LONGEST_RECORD: usize = 16 << 20;

/// Reads one record, line end included, into `record`. `false` at the end of the file.
///
/// # Errors
/// Broken input, or a record over 16 MiB.
pub fn read_record(
    input: &mut impl BufRead,
    delimiter: u8,
    record: &mut Vec<u8>,
) -> io::Result<bool> {
    record.clear();
    let mut scan = 0;
    let mut state = State::Start;
    loop {
        if input.read_until(b'\n', record)? == 0 {
            return Ok(!record.is_empty());
        }
        for &byte in &record[scan..] {
            state = state.next(byte, delimiter);
        }
        scan = record.len();
        if state != State::Quoted {
            return Ok(true);
        }
        if record.len() > LONGEST_RECORD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a record over 16 MiB: a quote that is never closed?",
            ));
        }
    }
}

/// The fields of a record, unquoted; the line end is left out.
pub fn fields(record: &[u8], delimiter: u8) -> Vec<String> {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let mut fields = vec![Vec::new()];
    let mut state = State::Start;
    for &byte in record {
        let next = state.next(byte, delimiter);
        let field = fields.last_mut().expect("never empty");
        match (state, next) {
            (_, State::Start) if byte == delimiter => fields.push(Vec::new()),
            (State::Start, State::Quoted) | (State::Quoted, State::Closing) => {}
            _ => field.push(byte),
        }
        state = next;
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    fields.into_iter().map(text).collect()
}

/// Whether a record holds nothing but its line end.
pub fn is_blank(record: &[u8]) -> bool {
    record.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// In a field within quotes.
    Quoted,
    /// After a quote inside quotes: the end, or the first of two.
    Closing,
}

impl State {
    fn next(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Start, b'"') | (Self::Closing, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) => Self::Quoted,
            (_, b'\n') => Self::Start,
            (_, byte) if byte == delimiter => Self::Start,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<String> {
        let mut input = text.as_bytes();
        let mut record = Vec::new();
        let mut all = Vec::new();
        while read_record(&mut input, b',', &mut record).unwrap() {
            all.push(String::from_utf8(record.clone()).unwrap());
        }
        all
    }

    #[test]
    fn records_keep_quoted_line_feeds_together_and_every_byte() {
        let text = "a,b\r\n1,\"x\n\"\"y\"\"\"\n2,z";
        let all = records(text);
        assert_eq!(all.len(), 3);
        assert_eq!(all.concat(), text);
    }

    #[test]
    fn fields_lose_their_quotes_only() {
        let record = b"1,\"a \"\"b\"\", c\",,x\"y\r\n";
        assert_eq!(fields(record, b','), ["1", "a \"b\", c", "", "x\"y"]);
        assert_eq!(fields(b"1;2\n", b';'), ["1", "2"]);
        assert_eq!(fields(b"\n", b','), [""]);
    }
}
