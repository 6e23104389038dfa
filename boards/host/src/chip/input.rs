//! What somebody types: kept for a CPU that reads it, lost for one that does not.

/// Most bytes that wait for the CPU; a terminal is not read further until there is room.
const WAITING_LEN_MAX: usize = 0x4000;

/// Console input of one run of the CPU. Like the receiver of a serial port it is switched on by
/// whoever uses it: until the CPU opens it or asks for the first time, what arrives is lost.
#[derive(Debug, Default)]
pub(super) struct ConsoleInput {
    listens: bool,
    bytes: Vec<u8>,
    /// Most bytes that the CPU wants, while it waits for some.
    wanted: Option<usize>,
}

impl ConsoleInput {
    /// Whether more may come.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < WAITING_LEN_MAX
    }

    /// Takes what was typed.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.listens {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Switches the receiver on: what arrives from now on is kept.
    pub(super) fn open(&mut self) {
        self.listens = true;
    }

    /// Takes note that the CPU waits for at most `len` bytes.
    pub(super) fn ask(&mut self, len: u32) {
        self.open();
        self.wanted = Some(usize::try_from(len).unwrap_or(usize::MAX).max(1));
    }

    /// What the CPU gets now, if it waits and there is something.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let len = self.wanted.take()?.min(self.bytes.len());
        Some(self.bytes.drain(..len).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_kept_in_order_from_the_first_question_on() {
        let mut input = ConsoleInput::default();
        input.push(b"lost");
        input.ask(4);
        assert_eq!(input.take(), None);
        input.push(b"abcdef");
        assert_eq!(input.take().as_deref(), Some(b"abcd".as_slice()));
        input.push(b"gh");
        assert_eq!(input.take(), None, "nobody waits");
        input.ask(100);
        assert_eq!(input.take().as_deref(), Some(b"efgh".as_slice()));
        assert!(input.has_room());
        input.push(&[0; WAITING_LEN_MAX]);
        assert!(!input.has_room());
    }

    #[test]
    fn input_that_comes_between_opening_and_the_first_question_is_kept() {
        let mut input = ConsoleInput::default();
        input.open();
        input.push(b"early");
        input.ask(100);
        assert_eq!(input.take().as_deref(), Some(b"early".as_slice()));
    }
}
