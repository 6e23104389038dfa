//! What is recorded for a verdict against an image: one mapping for agent and bootloader.

use crate::Cause;
use otaru_image::{Reason, VerifyError};

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Read => Self::StorageFailed,
            Reason::Malformed => Self::MalformedImage,
            Reason::Unsupported => Self::Unsupported,
            Reason::TooLarge | Reason::LengthMismatch => Self::SizeMismatch,
            Reason::DigestMismatch | Reason::HashMismatch => Self::DigestMismatch,
            Reason::KeyUnknown => Self::KeyUnknown,
            Reason::KeyRevoked => Self::KeyRevoked,
            Reason::SignatureInvalid => Self::SignatureInvalid,
            Reason::WrongBoard => Self::WrongBoard,
            Reason::WrongSlot => Self::WrongSlot,
            Reason::SecurityCounter => Self::SecurityCounter,
            Reason::NotDecryptable => Self::NotDecryptable,
            Reason::DependencyUnmet => Self::DependencyUnmet,
        }
    }
}

impl<E> From<&VerifyError<E>> for Cause {
    fn from(error: &VerifyError<E>) -> Self {
        Reason::from(error).into()
    }
}
