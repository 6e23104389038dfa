//! A bounded JSON reader that is fed in pieces of any size, as they arrive from the network.
//!
//! A reply of 100 KiB needs no buffer of 100 KiB: the reader keeps one string or number at a time
//! in a buffer of fixed size and tells a [`Visitor`] what it met. It uses no heap and no recursion;
//! work per byte is constant, and nesting and length of a document are limited. Grammar, UTF-8 and
//! escapes (with surrogate pairs) are checked everywhere, also in the parts nobody asked for.
//!
//! The visitor names the places of a document that matter with its own [`Visitor::Node`] type;
//! everything below a member or element for which it answers `None` is checked and skipped.
//!
//! ```
//! use otaru_ddi::json::{Reader, Scalar, Visitor};
//!
//! #[derive(Default)]
//! struct Name(Option<bool>);
//!
//! #[derive(Clone, Copy)]
//! enum Node { Root, Ready }
//!
//! impl Visitor for Name {
//!     type Node = Node;
//!     fn root(&mut self) -> Node { Node::Root }
//!     fn member(&mut self, parent: Node, key: &str) -> Option<Node> {
//!         matches!((parent, key), (Node::Root, "ready")).then_some(Node::Ready)
//!     }
//!     fn scalar(&mut self, node: Node, value: Scalar<'_>) {
//!         if let (Node::Ready, Scalar::Bool(ready)) = (node, value) { self.0 = Some(ready) }
//!     }
//! }
//!
//! let mut reader: Reader<Name, 64> = Reader::new(Name::default());
//! reader.push(br#"{"unknown":[1,2,3],"rea"#)?;
//! reader.push(br#"dy":true}"#)?;
//! assert_eq!(reader.finish()?.0, Some(true));
//! # Ok::<(), otaru_ddi::json::Error>(())
//! ```

mod scanner;
mod string;

use core::fmt;

use heapless::Vec;

use scanner::{Event, Scanner, Step};

/// Objects and arrays that may be open at once. A DDI reply needs eight.
pub const DEPTH_MAX: usize = 32;

/// Bytes one document may have. Longer ones are refused however they are split.
pub const DOCUMENT_LEN_MAX: u32 = 1024 * 1024;

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A byte that JSON does not allow at this place.
    Syntax,
    /// Bytes that are not UTF-8.
    Utf8,
    /// An unknown escape, or half of a surrogate pair.
    Escape,
    /// More than [`DEPTH_MAX`] objects and arrays inside each other.
    Depth,
    /// More than [`DOCUMENT_LEN_MAX`] bytes.
    Length,
    /// The document stopped before its end, as after a lost connection.
    Incomplete,
}

/// Why a document was refused, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub fault: Fault,
    /// Index of the offending byte, from 0; the length of the document for
    /// [`Fault::Incomplete`].
    pub offset: u32,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::Syntax => "not JSON",
            Fault::Utf8 => "not UTF-8",
            Fault::Escape => "invalid escape in a string",
            Fault::Depth => "too deeply nested JSON",
            Fault::Length => "too long JSON",
            Fault::Incomplete => "JSON that ends too early",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl core::error::Error for Error {}

/// The text of a string or number as far as it fitted into the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text; when it is not complete, its longest beginning that fitted, cut between two
    /// characters.
    pub text: &'a str,
    /// Whether [`Text::text`] is all of it.
    pub complete: bool,
}

impl<'a> Text<'a> {
    /// The text if it is complete.
    pub const fn whole(&self) -> Option<&'a str> {
        if self.complete { Some(self.text) } else { None }
    }
}

/// A value that is neither an object nor an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A string, escapes resolved.
    String(Text<'a>),
    /// A number in its own spelling, which obeys the grammar of JSON.
    Number(Text<'a>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// The two kinds of value that hold others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `{…}`.
    Object,
    /// `[…]`.
    Array,
}

/// What a [`Reader`] reports to. All methods are called in the order of the document.
pub trait Visitor {
    /// A place in the document.
    type Node: Copy;

    /// The place of the outermost value.
    fn root(&mut self) -> Self::Node;

    /// The place of the member `key` of the object at `parent`, or `None` to skip its value. A key
    /// that comes twice is reported twice: the visitor forgets the first value, so the last wins.
    fn member(&mut self, parent: Self::Node, key: &str) -> Option<Self::Node>;

    /// The place of the next element of the array at this place, or `None` to skip it.
    fn element(&mut self, _parent: Self::Node) -> Option<Self::Node> {
        None
    }

    /// The value at `node` is this.
    fn scalar(&mut self, node: Self::Node, value: Scalar<'_>);

    /// The value at this place is an object or an array, which begins here.
    fn begin(&mut self, _node: Self::Node, _container: Container) {}

    /// The object or array at this place ends.
    fn end(&mut self, _node: Self::Node) {}
}

/// How the next value is found.
#[derive(Debug, Clone, Copy)]
enum Next<N> {
    /// It is the next element of the array, or the outermost value.
    Element,
    /// It is the member whose key came last: its place, or `None` to skip it.
    Member(Option<N>),
}

/// Reads one document; `SCRATCH` is the number of bytes of the longest string that arrives whole.
pub struct Reader<V: Visitor, const SCRATCH: usize> {
    visitor: V,
    scanner: Scanner,
    scratch: [u8; SCRATCH],
    offset: u32,
    failed: Option<Error>,
    /// The places of the open objects and arrays, outermost first; `None` is skipped.
    open: Vec<Option<V::Node>, DEPTH_MAX>,
    next: Next<V::Node>,
}

impl<V: Visitor, const SCRATCH: usize> Reader<V, SCRATCH> {
    /// A reader at the beginning of a document.
    pub const fn new(visitor: V) -> Self {
        Self {
            visitor,
            scanner: Scanner::new(),
            scratch: [0; SCRATCH],
            offset: 0,
            failed: None,
            open: Vec::new(),
            next: Next::Element,
        }
    }

    /// Takes the next bytes of the document.
    ///
    /// # Errors
    /// The [`Error`] of the first byte that cannot be part of a document; every later call returns
    /// the same one. The reader is of no more use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        for &byte in bytes {
            if let Err(fault) = self.take(byte) {
                return Err(self.fail(fault));
            }
        }
        Ok(())
    }

    /// Ends the document and gives the visitor back.
    ///
    /// # Errors
    /// As [`Reader::push`], or [`Fault::Incomplete`] when the document is not at its end.
    pub fn finish(mut self) -> Result<V, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.scanner.finish() {
            Ok(event) => {
                if let Some(event) = event {
                    self.dispatch(event);
                }
                Ok(self.visitor)
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    fn fail(&mut self, fault: Fault) -> Error {
        let error = Error {
            fault,
            offset: self.offset,
        };
        self.failed = Some(error);
        error
    }

    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        if self.offset >= DOCUMENT_LEN_MAX {
            return Err(Fault::Length);
        }
        match self.scanner.step(&mut self.scratch, byte)? {
            Step::Taken => {}
            Step::Event(event) => self.dispatch(event),
            // Only the byte after a number ends it, and that byte has a meaning of its own.
            Step::Before(event) => {
                self.dispatch(event);
                if let Step::Event(event) = self.scanner.step(&mut self.scratch, byte)? {
                    self.dispatch(event);
                }
            }
        }
        self.offset = self.offset.saturating_add(1);
        Ok(())
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Key => {
                let parent = self.open.last().copied().flatten();
                let key = self.scanner.text(&self.scratch).whole();
                let place = parent
                    .zip(key)
                    .and_then(|(p, key)| self.visitor.member(p, key));
                self.next = Next::Member(place);
            }
            Event::Begin(container) => {
                let place = self.place();
                if let Some(node) = place {
                    self.visitor.begin(node, container);
                }
                // The scanner has refused anything deeper than the vector's capacity.
                self.open.push(place).unwrap_or_default();
            }
            Event::End => {
                if let Some(Some(node)) = self.open.pop() {
                    self.visitor.end(node);
                }
            }
            Event::String => self.scalar(Scalar::String),
            Event::Number => self.scalar(Scalar::Number),
            Event::Bool(value) => self.scalar(|_| Scalar::Bool(value)),
            Event::Null => self.scalar(|_| Scalar::Null),
        }
    }

    fn scalar<'a>(&'a mut self, value: impl FnOnce(Text<'a>) -> Scalar<'a>) {
        if let Some(node) = self.place() {
            self.visitor
                .scalar(node, value(self.scanner.text(&self.scratch)));
        }
    }

    /// The place of the value that begins now.
    fn place(&mut self) -> Option<V::Node> {
        match self.open.last().copied() {
            None => Some(self.visitor.root()),
            Some(parent) => match core::mem::replace(&mut self.next, Next::Element) {
                Next::Member(place) => place,
                Next::Element => parent.and_then(|parent| self.visitor.element(parent)),
            },
        }
    }
}
