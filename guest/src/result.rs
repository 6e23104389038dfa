//! From the numbers of the boundary to results.

use otaru_abi::Errno;

/// The length of a range as the boundary has it. Longer ones than fit are refused by the host.
pub(crate) fn room(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

pub(crate) fn done(result: i64) -> Result<(), Errno> {
    Errno::from_result(result).map(|_zero| ())
}

pub(crate) fn number(result: i64) -> Result<u32, Errno> {
    let number = Errno::from_result(result)?;
    u32::try_from(number).map_err(|_too_large| Errno::Invalid)
}

pub(crate) fn address(result: i64) -> Result<u32, Errno> {
    number(result)
}

pub(crate) fn length(result: i64) -> Result<usize, Errno> {
    let number = Errno::from_result(result)?;
    usize::try_from(number).map_err(|_too_large| Errno::Invalid)
}

pub(crate) fn message(result: i64) -> Result<(usize, usize), Errno> {
    let both = Errno::from_result(result)?;
    let len = |bits: u64| usize::try_from(bits).map_err(|_too_large| Errno::Invalid);
    Ok((len(both >> 32_u32)?, len(both & 0xffff_ffff)?))
}

/// Of a function that returns only to say why.
pub(crate) fn refused(result: i64) -> Errno {
    Errno::from_result(result).err().unwrap_or(Errno::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_a_message_share_one_number() {
        assert_eq!(message((3_i64 << 32) | 5), Ok((3, 5)));
        assert_eq!(message(-6), Err(Errno::TimedOut));
        assert_eq!(number(-1), Err(Errno::Unsupported));
        assert_eq!(address(0xffff_fffe), Ok(0xffff_fffe));
        assert_eq!(refused(-9), Errno::Denied);
    }
}
