//! What is recorded for a verdict against an image: one mapping for agent and bootloader.

use crate::Cause;
use otaru_image::VerifyError;

impl<E> From<&VerifyError<E>> for Cause {
    fn from(error: &VerifyError<E>) -> Self {
        match error {
            VerifyError::Read(_) => Self::StorageFailed,
            VerifyError::Malformed(_) => Self::MalformedImage,
            VerifyError::Unsupported(_) => Self::Unsupported,
            VerifyError::TooLarge { .. } | VerifyError::LengthMismatch { .. } => Self::SizeMismatch,
            VerifyError::DigestMismatch | VerifyError::HashMismatch => Self::DigestMismatch,
            VerifyError::KeyUnknown => Self::KeyUnknown,
            VerifyError::KeyRevoked => Self::KeyRevoked,
            VerifyError::SignatureInvalid => Self::SignatureInvalid,
            VerifyError::WrongBoard => Self::WrongBoard,
            VerifyError::WrongSlot { .. } => Self::WrongSlot,
            VerifyError::SecurityCounter { .. } => Self::SecurityCounter,
            VerifyError::NotDecryptable => Self::NotDecryptable,
            VerifyError::DependencyUnmet(_) => Self::DependencyUnmet,
        }
    }
}
