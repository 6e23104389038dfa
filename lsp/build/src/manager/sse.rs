//! Server-sent events, taken apart as they arrive.

/// Longest event that is kept, in bytes; a longer one is skipped.
const EVENT_LEN_MAX: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its name.
    pub(super) name: String,
    /// Its lines, joined.
    pub(super) data: String,
    /// Its id, if it has one.
    pub(super) id: Option<String>,
}

/// Collects bytes until an event is complete.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    event: Event,
    len: usize,
}

impl Parser {
    /// Takes bytes in pieces of any size; gives the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    events.extend(self.end_of_line());
                }
                other => {
                    self.after_return = false;
                    self.len += 1;
                    if self.len <= EVENT_LEN_MAX {
                        self.line.push(*other);
                    }
                }
            }
        }
        events
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let complete = std::mem::take(&mut self.len) <= EVENT_LEN_MAX;
            return (complete && !event.data.is_empty()).then_some(event);
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line.as_str(), ""),
        };
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments keep the connection alive; `retry` is our own decision.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: Option<&str>) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.map(str::to_owned),
        }
    }

    #[test]
    fn events_are_complete_whatever_the_pieces() {
        let text = ": hello\n\nevent: action\nid: 7\ndata: {\"a\":\ndata: 1}\n\nevent:device\r\ndata:x\r\n\r\ndata: é\r\r";
        let expected = [
            event("action", "{\"a\":\n1}", Some("7")),
            event("device", "x", None),
            event("", "é", None),
        ];
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.push(piece))
                .collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_event_costs_bounded_memory_and_the_next_one_is_read() {
        let mut parser = Parser::default();
        for _ in 0..2_000 {
            assert!(parser.push(&[b'x'; 1024]).is_empty());
        }
        assert!(parser.line.len() <= EVENT_LEN_MAX);
        assert!(parser.push(b"\n\n").is_empty());
        assert_eq!(parser.push(b"data: y\n\n"), [event("", "y", None)]);
    }
}
