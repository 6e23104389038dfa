//! Encrypted images: which form stands where, and what turns the stored one into the one that runs.
//!
//! Storage holds images as they were sent, the execution slot holds them installed, in plain text.
//! So does a backup that a `swap` moved out of the execution slot. Without the feature `encryption`
//! there is no key, and every encrypted image is refused when it is verified.

use crate::backup::{ImageReader, Source};
use crate::boot::Context;
use otaru_flash::{DeviceBlock, Flash, Slot};
use otaru_image::{DecryptionKey, Form, PayloadCipher, inspect};
use otaru_record::{Backup, State};

/// How often header and TLVs of an image are read before they count as unreadable.
const READINGS: u32 = 3;

/// The form in which an image stands there.
pub(crate) fn form_of(source: Source<'_>) -> Form {
    if !cfg!(feature = "encryption") {
        // Both forms are the same.
        return Form::AsSent;
    }
    match source {
        Source::Slot(Slot::Execution) => Form::Installed,
        Source::Backup(state) => form_of_backup(state),
        Source::Slot(Slot::Storage0 | Slot::Storage1) | Source::Incoming(_) => Form::AsSent,
    }
}

/// A permuted backup came out of the execution slot, chunk by chunk. With no chunk moved it stands
/// in the secondary slot as it was sent there; an install of another image always moves one.
fn form_of_backup(state: &State) -> Form {
    let moved = state.backup() == Backup::Permuted && !state.differing.is_empty();
    if moved { Form::Installed } else { Form::AsSent }
}

/// The device's key, wiped when dropped.
pub(crate) fn decryption_key<F: Flash>(
    block: &DeviceBlock,
    flash: &mut F,
) -> Option<DecryptionKey> {
    if cfg!(feature = "encryption") {
        block.read_decryption_key(flash).map(DecryptionKey::new)
    } else {
        None
    }
}

/// What turns the image there into its installed form while it is copied; nothing if its key cannot
/// be decrypted.
///
/// An image whose header or TLVs cannot be read is taken for a plain one: perhaps they are needed no
/// more, and what results is verified in any case.
pub(crate) fn cipher_for<F: Flash, P>(
    ctx: &mut Context<'_, F, P>,
    source: Source<'_>,
) -> Option<PayloadCipher> {
    if !cfg!(feature = "encryption") || form_of(source) == Form::Installed {
        return Some(PayloadCipher::none());
    }
    let key = decryption_key(ctx.block, ctx.flash);
    let layout = &ctx.block.layout;
    let mut reader = ImageReader {
        flash: &mut *ctx.flash,
        layout,
        source,
    };
    let mut readings = 0..READINGS;
    let info = readings.find_map(|_again| inspect(&mut reader, layout.image_len_max()).ok());
    match info {
        Some(info) => PayloadCipher::new(&info, key.as_ref()).ok(),
        None => Some(PayloadCipher::none()),
    }
}
