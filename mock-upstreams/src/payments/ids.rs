//! Ids, secrets and fingerprints: drawn from the seed, so the same requests in the same order get the same ones.

use crate::draw::Draws;

/// What an id is made of.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Streams of draws that do not touch one another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Ids,
    Requests,
    Webhooks,
    Fingerprints,
    Faults,
    Secret,
}

/// Where ids come from.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    seed: u64,
    drawn: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A new id with this prefix, such as `cus_`, and so many characters.
    pub(super) fn next(&mut self, prefix: &str, length: usize) -> String {
        self.drawn += 1;
        text(&mut draws(self.seed, Stream::Ids, self.drawn), prefix, length)
    }

    /// What tells one card number from another without telling the number.
    pub(super) fn fingerprint(&self, number: u64) -> String {
        text(&mut draws(self.seed, Stream::Fingerprints, number), "", 16)
    }
}

/// The draws of the `number`-th of a stream.
pub(super) fn draws(seed: u64, stream: Stream, number: u64) -> Draws {
    // Threads of a server have the small numbers.
    Draws::of(seed, (1 << 32) + stream as u64, number)
}

/// A prefix and so many drawn characters.
pub(super) fn text(draws: &mut Draws, prefix: &str, length: usize) -> String {
    let mut text = String::with_capacity(prefix.len() + length);
    text.push_str(prefix);
    text.extend((0..length).map(|_| char::from(ALPHABET[(draws.word() % 62) as usize])));
    text
}
