//! Whether a webhook is from the processor, by its `Stripe-Signature` (docs.stripe.com/webhooks, "verify manually").

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How old a signature may be if nobody says otherwise, as in the official libraries.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Signatures that are looked at in one header: while a secret is renewed there are two.
const SIGNATURES_MOST: usize = 16;

/// Knows the secret that the processor signs with.
#[derive(Clone)]
pub struct Verifier {
    key: Hmac<Sha256>,
    tolerance: Duration,
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no header, or none that has a time and a signature of the known scheme.
    #[error("it has no signature: `Stripe-Signature: t=SECONDS,v1=HEX`")]
    Unsigned,
    /// None of its signatures is made with the secret from its time and its body.
    #[error("its signature was not made with the secret of this endpoint")]
    Forged,
    /// It was signed longer ago than is tolerated: somebody may have recorded it.
    #[error("it was signed too long ago")]
    TooOld,
}

impl Verifier {
    /// Of signatures that are made with this secret, the whole text, `whsec_` included, and are no older than that.
    #[must_use]
    pub fn new(secret: &str, tolerance: Duration) -> Self {
        let key = Hmac::new_from_slice(secret.as_bytes()).expect("a key may have any length");
        Self { key, tolerance }
    }

    /// Whether a body was signed so, by the clock at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// When it was not, or too long ago.
    pub fn verify(&self, header: &[u8], body: &[u8], now: i64) -> Result<(), Unverified> {
        let (mut time, mut signatures) = (None, Vec::new());
        for part in header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match part.iter().position(|byte| *byte == b'=').map(|at| (&part[..at], &part[at + 1..])) {
                Some((b"t", seconds)) => time = Some(seconds),
                Some((b"v1", hex)) if signatures.len() < SIGNATURES_MOST => signatures.extend(decoded(hex)),
                _ => {}
            }
        }
        let time = time.filter(|_| !signatures.is_empty()).ok_or(Unverified::Unsigned)?;
        let seconds: i64 = str::from_utf8(time).ok().and_then(|text| text.parse().ok()).ok_or(Unverified::Unsigned)?;
        let signed = [time, b".", body].into_iter().fold(self.key.clone(), Mac::chain_update);
        // Each is compared in a time that does not depend on where it differs.
        if !signatures.iter().any(|signature| signed.clone().verify_slice(signature).is_ok()) {
            return Err(Unverified::Forged);
        }
        let age = u64::try_from(now.saturating_sub(seconds)).unwrap_or(0);
        if age > self.tolerance.as_secs() { Err(Unverified::TooOld) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Verifier {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("tolerance", &self.tolerance).finish_non_exhaustive()
    }
}

/// The bytes of a signature; `None` where it is none.
fn decoded(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_test";
    const BODY: &[u8] = br#"{"a":1}"#;
    const TIME: i64 = 1_700_000_000;
    /// Made by OpenSSL: `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test`.
    const SIGNATURE: &str = "38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";

    fn verify(header: &str, body: &[u8], now: i64) -> Result<(), Unverified> {
        Verifier::new(SECRET, TOLERANCE).verify(header.as_bytes(), body, now)
    }

    #[test]
    fn what_was_signed_with_the_secret_is_believed_for_as_long_as_is_tolerated() {
        let header = format!("t={TIME},v1={SIGNATURE}");
        for (now, expected) in [(0, Ok(())), (300, Ok(())), (301, Err(Unverified::TooOld)), (-300, Ok(()))] {
            assert_eq!(verify(&header, BODY, TIME + now), expected, "{now} s later");
        }
        // While the secret is renewed there are two; other schemes are passed over.
        let other = "0".repeat(64);
        for header in [
            format!("t={TIME},v1={other},v1={SIGNATURE}"),
            format!("t={TIME}, v1={SIGNATURE}, v0={other}"),
            format!("v0=x,v1={},t={TIME}", SIGNATURE.to_uppercase()),
        ] {
            assert_eq!(verify(&header, BODY, TIME), Ok(()), "{header}");
        }
    }

    #[test]
    fn what_was_not_is_not() {
        let header = format!("t={TIME},v1={SIGNATURE}");
        assert_eq!(verify(&header, br#"{"a":2}"#, TIME), Err(Unverified::Forged), "another body");
        assert_eq!(verify(&header.replace("000,", "001,"), BODY, TIME), Err(Unverified::Forged), "another time");
        let other = Verifier::new("whsec_other", TOLERANCE);
        assert_eq!(other.verify(header.as_bytes(), BODY, TIME), Err(Unverified::Forged), "another secret");
        for unsigned in [
            String::new(),
            format!("t={TIME}"),
            format!("v1={SIGNATURE}"),
            format!("t={TIME},v0={SIGNATURE}"),
            format!("t={TIME},v1={}", &SIGNATURE[1..]),
            format!("t={TIME},v1={}", SIGNATURE.replace('a', "x")),
            format!("t=,v1={SIGNATURE}"),
        ] {
            assert_eq!(verify(&unsigned, BODY, TIME), Err(Unverified::Unsigned), "{unsigned:?}");
        }
        // A time that is no number is none, however it was signed.
        assert_ne!(verify(&format!("t=soon,v1={SIGNATURE}"), BODY, TIME), Ok(()));
        assert_eq!(format!("{other:?}"), "Verifier { tolerance: 300s, .. }");
    }
}
