"""A life of a device: from a power-on until nothing happens any more."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from .chip import BY_SOFTWARE, BY_WATCHDOG, KINDS, Boot, Chip, Cut, Kind, Misuse
from .flash import Flash, Operation

# More than any life takes: an install with a trial and a revert has five boots.
BOOTS_MAX = 24


@dataclass(slots=True)
class Story:
    """A device that was switched off in the middle of something, and what may come of it."""

    kind: Kind
    flash: bytes
    writable_from: int
    execution: int
    # Offsets of the FOTA record.
    record: range
    images: dict[str, bytes]
    # Names of the images that may run in the end.
    ends: list[str]
    table: int
    entry: int
    static_ram: int

    @classmethod
    def read(cls, path: Path) -> Story:
        """Reads a story and the files that it names, which stand beside it."""
        told = json.loads(path.read_text())
        beside = path.parent
        images = {name: (beside / file).read_bytes() for name, file in told["images"].items()}
        begins = {_begin(image, told["execution"]) for image in images.values()}
        if len(begins) != 1:
            raise ValueError("the images do not begin at the same address")
        table, entry = begins.pop()
        return cls(
            KINDS[told["chip"]],
            (beside / told["flash"]).read_bytes(),
            told["writable_from"],
            told["execution"],
            range(*told["record"]),
            images,
            told["ends"],
            table,
            entry,
            told["static_ram"],
        )

    def new_flash(self) -> Flash:
        """The flash as it is when the story begins."""
        return Flash(bytearray(self.flash), self.kind.page_len)


def _begin(image: bytes, execution: int) -> tuple[int, int]:
    """Addresses of the vector table, which stands behind the header, and of the first instruction."""
    header_len = int.from_bytes(image[8:10], "little")
    entry = int.from_bytes(image[header_len + 4 : header_len + 8], "little") & ~1
    if not execution < entry < execution + len(image):
        raise ValueError("the image does not begin with a vector table")
    return execution + header_len, entry


@dataclass(slots=True)
class Life:
    """What happened in a life, in the order of its operations."""

    operations: list[Operation] = field(default_factory=list)
    # For each operation whether an image had said before it that it is confirmed.
    confirmed: list[bool] = field(default_factory=list)
    boots: int = 0
    started: list[str] = field(default_factory=list)
    stacks: list[int] = field(default_factory=list)
    was_cut: bool = False


class _Living:
    def __init__(self, story: Story, flash: Flash, seed: str, cut: tuple[int, str] | None) -> None:
        self.story = story
        self.life = Life()
        self.cut = cut
        self.is_confirmed = False
        self.chance = random.Random(seed)
        self.chip = Chip(
            story.kind,
            flash,
            story.writable_from,
            story.table,
            story.entry,
            story.static_ram,
            self.chance,
            self._operation,
            self._start,
        )

    def _operation(self, operation: Operation) -> None:
        if self.cut and self.cut[0] == len(self.life.operations):
            self.chip.flash.tear(operation, self.cut[1], self.chance)
            self.life.was_cut = True
            raise Cut
        self.life.operations.append(operation)
        self.life.confirmed.append(self.is_confirmed)

    def _start(self, boot: Boot) -> None:
        """Old or new, never mixed, every bit of it solid."""
        flash, start = self.chip.flash, self.story.execution
        for name, image in self.story.images.items():
            if flash.content[start : start + len(image)] == image:
                if not flash.is_solid(start, len(image)):
                    raise Misuse(f"the image {name} is started, but it is torn")
                self.life.started.append(name)
                self.life.stacks.append(boot.stack)
                return
        raise Misuse("a mixed image is started")

    def live(self) -> Life:
        self.chip.power_on()
        while self.life.boots < BOOTS_MAX:
            self.life.boots += 1
            boot = self.chip.boot()
            if boot.end == "cut":
                return self.life
            if boot.end == "stays":
                raise Misuse("nothing is started any more")
            if boot.end == "resets":
                self.chip.reset_cause |= BY_SOFTWARE
                continue
            if self._rests(boot):
                return self.life
        raise Misuse(f"no rest after {BOOTS_MAX} boots")

    def _rests(self, boot: Boot) -> bool:
        """What a sleeping firmware said decides what happens to it; whether that is the end."""
        text = boot.text.strip()
        if text == "confirmed":
            # The device is switched off and on once more.
            self.is_confirmed = True
            self.chip.power_on()
            return False
        if text == "runs":
            running = self.life.started[-1]
            allowed = ["new"] if self.is_confirmed else self.story.ends
            if running not in allowed:
                raise Misuse(f"the image {running} runs in the end")
            return True
        if text == "hangs":
            if not self.chip.watchdog_runs:
                raise Misuse("a firmware hangs, and no watchdog runs")
            self.chip.watchdog_runs = False
            self.chip.reset_cause |= BY_WATCHDOG
            return False
        raise Misuse(f"the firmware says {text!r}")


def live(
    story: Story,
    flash: Flash,
    seed: str,
    cut: tuple[int, str] | None = None,
    *,
    confirmed: bool = False,
) -> Life:
    """Lives on from this flash, which is changed. With `cut` the power goes at that operation, torn so.
    `confirmed` says that an image has confirmed itself before.
    """
    living = _Living(story, flash, seed, cut)
    living.is_confirmed = confirmed
    return living.live()
