//! The lines of a text of any length, of which the long ones are cut: what nobody can read takes no memory.

use std::io::{self, BufRead};

/// Bytes of a line that are kept. Servers refuse request lines and headers far shorter than this.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Which one it is, from 1.
    pub number: u64,
    /// Its bytes, without its end; of a long one the first [`LINE_BYTES_MAX`].
    pub bytes: &'a [u8],
    /// Whether it has more of them.
    pub is_cut: bool,
}

/// Reads line by line, into one buffer.
#[derive(Debug)]
pub struct Lines<R> {
    text: R,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of a text.
    pub const fn new(text: R) -> Self {
        Self { text, number: 0, buffer: Vec::new() }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// What reading failed with.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let (mut is_cut, mut is_there) = (false, false);
        loop {
            let read = self.text.fill_buf()?;
            if read.is_empty() {
                break;
            }
            is_there = true;
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let kept = part.len().min(LINE_BYTES_MAX - self.buffer.len());
            self.buffer.extend_from_slice(&part[..kept]);
            is_cut |= kept < part.len();
            let used = end.map_or(read.len(), |end| end + 1);
            self.text.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !is_there {
            return Ok(None);
        }
        self.number += 1;
        let bytes = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer);
        Ok(Some(Line { number: self.number, bytes, is_cut }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Read through a buffer of three bytes, so that every line is met in parts.
    fn read(text: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(BufReader::with_capacity(3, text));
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push((line.number, line.bytes.to_vec(), line.is_cut));
        }
        all
    }

    #[test]
    fn lines_end_as_texts_of_any_system_do() {
        let found = read(b"one\r\n\ntwo\nlast");
        let expected = [(1, "one"), (2, ""), (3, "two"), (4, "last")];
        assert_eq!(found, expected.map(|(number, text)| (number, text.as_bytes().to_vec(), false)));
        assert_eq!(read(b"one\n").len(), 1);
        assert!(read(b"").is_empty());
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let text = [vec![b'a'; LINE_BYTES_MAX], b"\n".to_vec(), vec![b'b'; 1 << 20], b"\nc".to_vec()].concat();
        let found = read(&text);
        assert_eq!(found[0], (1, vec![b'a'; LINE_BYTES_MAX], false));
        assert_eq!(found[1], (2, vec![b'b'; LINE_BYTES_MAX], true));
        assert_eq!(found[2], (3, b"c".to_vec(), false));
    }
}
