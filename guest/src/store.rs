//! Values that survive a reset and an update.

use otaru_abi::Errno;

use crate::host;

/// Reads the value under a key into the beginning of `buffer`; `None` if there is none.
///
/// # Errors
/// `TooLong` if it does not fit, `Unsupported`, `Storage`.
pub fn get<'b>(key: &str, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, Errno> {
    match host::kv_get(key.as_bytes(), buffer) {
        Ok(len) => buffer.get(..len).map(Some).ok_or(Errno::Invalid),
        Err(Errno::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores a value under a key. After a power cut either the old or the new one is there.
///
/// # Errors
/// `TooLong`, `NoSpace`, `Unsupported`, `Storage`.
pub fn put(key: &str, value: &[u8]) -> Result<(), Errno> {
    host::kv_put(key.as_bytes(), value)
}

/// Removes a key. It is no error if there is none.
///
/// # Errors
/// `Unsupported`, `Storage`.
pub fn delete(key: &str) -> Result<(), Errno> {
    host::kv_delete(key.as_bytes())
}

/// Reads a number; `None` if there is none, or something else stands under the key.
///
/// # Errors
/// `Unsupported`, `Storage`.
pub fn get_u32(key: &str) -> Result<Option<u32>, Errno> {
    let mut buffer = [0_u8; 4];
    match get(key, &mut buffer) {
        Ok(Some(value)) => Ok(value.try_into().ok().map(u32::from_le_bytes)),
        Ok(None) | Err(Errno::TooLong) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores a number.
///
/// # Errors
/// `NoSpace`, `Unsupported`, `Storage`.
pub fn put_u32(key: &str, value: u32) -> Result<(), Errno> {
    put(key, &value.to_le_bytes())
}
