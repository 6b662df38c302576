//! Files that may be packed with gzip, read as what they hold.
//!
//! A file is packed when its first two bytes say so, whatever its name is. What a few bytes can claim to hold is bounded:
//! a file that unpacks to far more than recorded traffic does is refused while it is read, not when memory is full.

use std::io::{self, Chain, Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

/// How gzip begins (RFC 1952, section 2.3.1).
const MAGIC: [u8; 2] = [0x1F, 0x8B];
/// How many bytes each packed one may become. Logs and traces become 5 to 30; gzip's own bound is 1032.
const RATIO_MAX: u64 = 100;
/// Bytes that may be unpacked whatever the ratio is: small files of few words reach any.
const FREE_BYTES: u64 = 16 << 20;

/// Why a packed file could not be read to its end. Comes as the inner error of an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It is not gzip throughout, or ends too early.
    #[error("it is gzip, and damaged or cut off")]
    Damaged,
    /// It claims to hold more than recorded traffic can.
    #[error("it is gzip, and unpacks to more than {RATIO_MAX} times its size")]
    Bomb,
}

impl UnpackError {
    /// What to do about it.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Damaged => "pack it again, or leave it unpacked",
            Self::Bomb => "unpack it first, as `gunzip` does, if it is what it should be",
        }
    }

    /// The one inside of an error of [`Unpacked`], if it is one.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// A file whose first bytes have been looked at, and are read again.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// What a file holds, unpacked where it is packed.
#[derive(Debug)]
pub struct Unpacked<R>(Inner<R>);

#[derive(Debug)]
enum Inner<R> {
    Plain(Whole<R>),
    Packed {
        /// The boxed state of an inflation is 40 kB.
        decoder: Box<MultiGzDecoder<Counted<Whole<R>>>>,
        unpacked: u64,
    },
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// What reading them failed with.
    pub fn new(mut file: R) -> io::Result<Self> {
        let mut first = Vec::with_capacity(MAGIC.len());
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut first)?;
        let is_packed = first == MAGIC;
        let whole = Cursor::new(first).chain(file);
        if !is_packed {
            return Ok(Self(Inner::Plain(whole)));
        }
        let decoder = Box::new(MultiGzDecoder::new(Counted { inner: whole, bytes: 0 }));
        Ok(Self(Inner::Packed { decoder, unpacked: 0 }))
    }

    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Inner::Packed { .. })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (decoder, unpacked) = match &mut self.0 {
            Inner::Plain(file) => return file.read(buffer),
            Inner::Packed { decoder, unpacked } => (decoder, unpacked),
        };
        let length = decoder.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                because(UnpackError::Damaged)
            }
            _ => error,
        })?;
        *unpacked += length as u64;
        if *unpacked > FREE_BYTES + RATIO_MAX * decoder.get_ref().bytes {
            return Err(because(UnpackError::Bomb));
        }
        Ok(length)
    }
}

fn because(error: UnpackError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Counts what passes.
#[derive(Debug)]
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        parts.into_iter().for_each(|part| encoder.write_all(&part).unwrap());
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let mut text = Vec::new();
        let mut file = Unpacked::new(bytes).unwrap();
        file.read_to_end(&mut text).map_err(|error| UnpackError::of(&error).unwrap()).map(|_| text)
    }

    #[test]
    fn packed_or_not_it_reads_the_same() {
        for text in [&b""[..], b"t", b"time,in\n0,1\n"] {
            assert_eq!(unpacked(text).unwrap(), text);
            assert_eq!(unpacked(&packed([text.to_vec()])).unwrap(), text);
        }
        // As `cat a.gz b.gz` makes them.
        let two = [packed([b"time\n".to_vec()]), packed([b"0\n".to_vec()])].concat();
        assert_eq!(unpacked(&two).unwrap(), b"time\n0\n");
    }

    #[test]
    fn what_is_damaged_is_told() {
        let whole = packed([b"time,in\n0,1\n".to_vec()]);
        for cut in 2..whole.len() {
            assert_eq!(unpacked(&whole[..cut]), Err(UnpackError::Damaged), "{cut} bytes");
        }
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(unpacked(&other), Err(UnpackError::Damaged));
        assert_eq!(unpacked(&[whole, b"and more".to_vec()].concat()), Err(UnpackError::Damaged));
    }

    /// A quarter of a megabyte that claims to hold 256.
    #[test]
    fn a_bomb_is_refused_while_it_is_read() {
        let bomb = packed((0..256).map(|_| vec![b'\n'; 1 << 20]));
        let mut file = Unpacked::new(&bomb[..]).unwrap();
        let mut read = 0;
        let mut buffer = [0; 8 << 10];
        let refused = loop {
            match file.read(&mut buffer) {
                Ok(0) => break None,
                Ok(length) => read += length as u64,
                Err(error) => break UnpackError::of(&error),
            }
        };
        assert_eq!(refused, Some(UnpackError::Bomb));
        assert!(read <= FREE_BYTES + RATIO_MAX * bomb.len() as u64, "{read} of {} bytes were unpacked", 256 << 20);
    }
}
