"""Flash as the NVMC writes it: words and pages, bits that only an erase sets, and torn operations.

A cut tears the operation under way. What it leaves behind is one of `TEARS`:

* `before`: nothing has happened;
* `after`: everything has happened, and nobody was told;
* `bits`: any subset of the bits, for good;
* `boots`: any subset of the bits, another one at each boot;
* `seen`: the next boot sees everything done, the one after it nothing, and so on;
* `unseen`: the same the other way round.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

WORD = struct.Struct("<I")
ERASED = 0xFFFF_FFFF
TEARS = ("before", "after", "bits", "boots", "seen", "unseen")
# How often the product specification lets a word be written between two erases.
WRITES_MAX = 2


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the controller: a word that is written, or (`value` is None) a page erased."""

    at: int
    value: int | None


@dataclass(slots=True)
class Torn:
    """A word that does not read the same at every boot: what it was, what it was to become."""

    old: int
    new: int
    tear: str
    seen: bool


@dataclass(slots=True)
class Flash:
    """The content of a chip's flash while it has no power."""

    content: bytearray
    page_len: int
    torn: dict[int, Torn] = field(default_factory=dict)
    # Writes of each word since its page was erased; what was there at the beginning counts as one.
    writes: dict[int, int] = field(default_factory=dict)
    # The most of them in words that no cut has touched, and in those that one has.
    most_writes: int = 0
    most_writes_after_cut: int = 0
    cut_words: set[int] = field(default_factory=set)

    def copy(self) -> Flash:
        """The same flash, changed independently."""
        return Flash(
            bytearray(self.content),
            self.page_len,
            {at: Torn(word.old, word.new, word.tear, word.seen) for at, word in self.torn.items()},
            dict(self.writes),
            self.most_writes,
            self.most_writes_after_cut,
            set(self.cut_words),
        )

    def word(self, at: int) -> int:
        """The word at an offset as this boot reads it."""
        return WORD.unpack_from(self.content, at)[0]

    def _set(self, at: int, value: int) -> None:
        WORD.pack_into(self.content, at, value)

    def words_of(self, operation: Operation) -> range:
        """The offsets of the words that an operation changes."""
        length = 4 if operation.value is not None else self.page_len
        return range(operation.at, operation.at + length, 4)

    def apply(self, operation: Operation) -> None:
        """Does an operation completely."""
        if operation.value is None:
            page = slice(operation.at, operation.at + self.page_len)
            self.content[page] = b"\xff" * self.page_len
            for at in self.words_of(operation):
                self.torn.pop(at, None)
                self.writes.pop(at, None)
                self.cut_words.discard(at)
            return
        at, value = operation.at, operation.value
        self._count(at)
        self._set(at, self.word(at) & value)
        if torn := self.torn.get(at):
            torn.old &= value
            torn.new &= value
            if torn.old == torn.new:
                del self.torn[at]

    def _count(self, at: int) -> None:
        count = self.writes.get(at, 0 if self.word(at) == ERASED else 1) + 1
        self.writes[at] = count
        if at in self.cut_words:
            self.most_writes_after_cut = max(self.most_writes_after_cut, count)
        else:
            self.most_writes = max(self.most_writes, count)

    def tear(self, operation: Operation, tear: str, chance: random.Random) -> None:
        """Does an operation as a cut leaves it."""
        if tear == "before":
            return
        if tear == "after":
            self.apply(operation)
            return
        for at in self.words_of(operation):
            known = self.torn.get(at)
            old = known.old if known else self.word(at)
            if operation.value is None:
                new = ERASED
            else:
                new = old & operation.value
                self._count(at)
            self.cut_words.add(at)
            if tear == "bits":
                mask = chance.getrandbits(32)
                value = (old & ~mask) | (new & mask)
                self._set(at, value)
                self.torn.pop(at, None)
            elif old != new:
                # The first boot that comes turns `seen` round.
                self.torn[at] = Torn(old, new, tear, tear == "unseen")

    def power_on(self, chance: random.Random) -> None:
        """Makes up what the torn words read as from now on until the next power-on or reset."""
        for at, word in self.torn.items():
            word.seen = not word.seen
            if word.tear == "boots":
                mask = chance.getrandbits(32)
                self._set(at, (word.old & ~mask) | (word.new & mask))
            else:
                self._set(at, word.new if word.seen else word.old)

    def is_solid(self, start: int, length: int) -> bool:
        """Whether every bit of a range reads the same at every boot."""
        return not any(start <= at < start + length for at in self.torn)
