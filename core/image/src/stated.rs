//! What can be said about an encrypted image without the key of its devices: for managers and
//! tools, never for a device.

use crate::error::VerifyError;
use crate::info::{ImageInfo, inspect};
use crate::key::StandardVerifier;
use crate::source::ReadAt;
use crate::verify::{Expectation, Verification};

/// Checks everything about an image file but that its payload is what was signed: its form, the
/// length, the signature over the image hash that it *states*, and what `expect` asks of board, slot,
/// counter and dependencies. The image hash is over the plain text, so whoever has no key cannot work
/// it out; a device does before it parks the image. `expect.digest` and `expect.form` are not looked at.
///
/// Returns what the image says and which of the expected keys signed that.
///
/// # Errors
/// [`VerifyError`], as a verification would find it.
pub fn verify_stated<S: ReadAt>(
    source: &mut S,
    len: u32,
    expect: &Expectation<'_>,
) -> Result<(ImageInfo, usize), VerifyError<S::Error>> {
    let info = inspect(source, len)?;
    if info.len != len {
        let (image, announced) = (info.len, len);
        return Err(VerifyError::LengthMismatch { image, announced });
    }
    let verification = Verification::with_verifier(len, expect, StandardVerifier::default());
    let key = verification.judge(&info).map_err(VerifyError::widen)?;
    Ok((info, key))
}
