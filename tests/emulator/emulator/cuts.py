"""Cuts of a story: at which operation, how torn, and what came of it.

A life is recorded once. The flash as it was at any of its operations is what a cut there leaves, so each
cut costs only the life that follows it. Of every life that follows, one operation is cut again, and the
third life has to end well, too.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
from dataclasses import dataclass, field

from .chip import Misuse
from .flash import TEARS, Flash, Operation
from .story import Life, Story, live


@dataclass(frozen=True, slots=True)
class Place:
    """One cut: before which operation, and how it is torn."""

    index: int
    tear: str


@dataclass(slots=True)
class Report:
    """What was tried, and what came of it."""

    operations: int = 0
    boots: int = 0
    cuts: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    stack: int = 0
    most_writes: int = 0
    most_writes_after_cut: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, life: Life, flash: Flash) -> None:
        """Adds a life that came to rest."""
        self.boots += life.boots
        self._end(life.started[-1], 1)
        self.stack = max([self.stack, *life.stacks])
        self.most_writes = max(self.most_writes, flash.most_writes)
        self.most_writes_after_cut = max(self.most_writes_after_cut, flash.most_writes_after_cut)

    def _end(self, image: str, times: int) -> None:
        self.ends[image] = self.ends.get(image, 0) + times

    def add(self, other: Report) -> None:
        """Adds what another process has found."""
        self.boots += other.boots
        self.cuts += other.cuts
        for image, times in other.ends.items():
            self._end(image, times)
        self.stack = max(self.stack, other.stack)
        self.most_writes = max(self.most_writes, other.most_writes)
        self.most_writes_after_cut = max(self.most_writes_after_cut, other.most_writes_after_cut)
        self.failures += other.failures


def places(story: Story, recorded: Life, number: int | None, seed: int) -> list[Place]:
    """The cuts to try: all of them, or so many, the seed says which. Most operations copy a word of an
    image; half of what is chosen is among the others: erases, and what is written to the record.
    """
    operations = recorded.operations
    every = [Place(index, tear) for index in range(len(operations)) for tear in TEARS]
    if number is None or number >= len(every):
        return every
    chance = random.Random(f"{seed} places")
    rare = [place for place in every if _is_rare(story, operations[place.index])]
    chosen = set(chance.sample(rare, min(number // 2, len(rare))))
    rest = [place for place in every if place not in chosen]
    chosen.update(chance.sample(rest, number - len(chosen)))
    return sorted(chosen, key=lambda place: (place.index, place.tear))


def _is_rare(story: Story, operation: Operation) -> bool:
    return operation.value is None or operation.at in story.record


def try_cut(story: Story, recorded: Life, before: Flash, place: Place, seed: int) -> Report:
    """Cuts at one place; `before` is the flash before that operation, and stays as it is."""
    report = Report(cuts=1)
    name = f"{place.index}:{place.tear}"
    said = recorded.confirmed[place.index]
    try:
        flash = before.copy()
        chance = random.Random(f"{seed} {name}")
        flash.tear(recorded.operations[place.index], place.tear, chance)
        second_from = flash.copy()
        life = live(story, flash, f"{seed} {name}", confirmed=said)
        report.count(life, flash)
        if life.operations:
            again = (chance.randrange(len(life.operations)), chance.choice(TEARS))
            name += f",{again[0]}:{again[1]}"
            flash = second_from
            cut = live(story, flash, f"{seed} {place.index}:{place.tear}", again, confirmed=said)
            report.cuts += 1
            report.boots += cut.boots
            said = said or life.confirmed[again[0]]
            life = live(story, flash, f"{seed} {name}", confirmed=said)
            report.count(life, flash)
    except Misuse as failure:
        report.failures.append(f"cut at {name}, seed {seed}: {failure}")
    return report


@dataclass(frozen=True, slots=True)
class _Share:
    """What one process does: every `of`-th of the places."""

    story: Story
    recorded: Life
    places: list[Place]
    seed: int


def _work(share: _Share) -> Report:
    report = Report()
    flash = share.story.new_flash()
    done = 0
    for place in share.places:
        for operation in share.recorded.operations[done : place.index]:
            flash.apply(operation)
        done = place.index
        report.add(try_cut(share.story, share.recorded, flash, place, share.seed))
    return report


def run(story: Story, number: int | None, seed: int, jobs: int) -> Report:
    """Lives the story without a cut, then with each of `number` cuts, or with all of them."""
    report = Report()
    flash = story.new_flash()
    try:
        recorded = live(story, flash, f"{seed}")
    except Misuse as failure:
        report.failures.append(f"without a cut, seed {seed}: {failure}")
        return report
    report.operations = len(recorded.operations)
    report.count(recorded, flash)
    chosen = places(story, recorded, number, seed)
    shares = [
        _Share(story, recorded, list(itertools.islice(chosen, first, None, jobs)), seed)
        for first in range(jobs)
    ]
    if jobs == 1 or not chosen:
        report.add(_work(shares[0]))
        return report
    with multiprocessing.Pool(jobs) as pool:
        for part in pool.imap_unordered(_work, shares):
            report.add(part)
    return report
