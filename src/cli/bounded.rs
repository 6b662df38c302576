//! Reads files that are named on the command line, and no more of them than they may have: a device, or a file that was meant
//! for something else, must not fill the memory before somebody says that it is wrong.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The text of a file.
///
/// # Errors
/// When it cannot be read, has more than `most` bytes, or is no UTF-8.
pub(super) fn text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let error = text(Path::new("/dev/zero"), 1_000).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 1000 bytes");
    }

    #[test]
    fn as_much_as_is_allowed_is_read() {
        let path = std::env::temp_dir().join(format!("farebox-bounded-{}", std::process::id()));
        std::fs::write(&path, "four").unwrap();
        let read = [text(&path, 4), text(&path, 3)].map(Result::ok);
        std::fs::write(&path, b"\xff").unwrap();
        let garbage = text(&path, 4).map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, [Some("four".to_owned()), None]);
        assert_eq!(garbage, Err("it is no text in UTF-8".to_owned()));
    }
}
