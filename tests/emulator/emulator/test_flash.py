"""What the flash does and what a cut leaves there."""

import random

import pytest

from .flash import ERASED, TEARS, Flash, Operation

PAGE = 0x400


def flash() -> Flash:
    return Flash(bytearray(b"\xff" * 2 * PAGE), PAGE)


def test_a_write_clears_bits_and_sets_none() -> None:
    it = flash()
    it.apply(Operation(4, 0xFFFF_0000))
    it.apply(Operation(4, 0x0F0F_FFFF))
    assert it.word(4) == 0x0F0F_0000
    assert it.most_writes == 2


def test_an_erase_sets_every_bit_of_its_page_and_of_no_other() -> None:
    it = flash()
    for at in (0, PAGE):
        it.apply(Operation(at, 0))
    it.apply(Operation(0, None))
    assert (it.word(0), it.word(PAGE)) == (ERASED, 0)
    assert it.writes == {PAGE: 1}


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_write_clears_none_but_its_bits(tear: str) -> None:
    it = flash()
    it.tear(Operation(8, 0x1234_5678), tear, random.Random(1))
    seen = set()
    for boot in range(4):
        it.power_on(random.Random(boot))
        assert it.word(8) & 0x1234_5678 == 0x1234_5678
        seen.add(it.word(8))
    expected = {"before": 1, "after": 1, "bits": 1, "boots": 4, "seen": 2, "unseen": 2}
    assert len(seen) == expected[tear]
    assert it.is_solid(0, PAGE) == (tear in ("before", "after", "bits"))


def test_seen_and_unseen_differ_in_what_the_next_boot_reads() -> None:
    read = {}
    for tear in ("seen", "unseen"):
        it = flash()
        it.tear(Operation(0, 0), tear, random.Random(1))
        it.power_on(random.Random(2))
        read[tear] = it.word(0)
    assert read == {"seen": 0, "unseen": ERASED}


def test_an_erase_and_a_write_of_zeros_make_a_torn_word_solid() -> None:
    for operation in (Operation(0, None), Operation(0, 0)):
        it = flash()
        it.tear(Operation(0, 0x00FF_00FF), "boots", random.Random(1))
        assert not it.is_solid(0, 4)
        it.apply(operation)
        assert it.is_solid(0, 4)


def test_a_torn_erase_touches_its_page_only() -> None:
    it = Flash(bytearray(2 * PAGE), PAGE)
    it.tear(Operation(0, None), "bits", random.Random(1))
    assert 0 < it.word(0) < ERASED
    assert it.word(PAGE) == 0


def test_a_copy_is_independent() -> None:
    it = flash()
    it.tear(Operation(0, 0), "seen", random.Random(1))
    other = it.copy()
    other.apply(Operation(0, None))
    assert not it.is_solid(0, 4) and other.is_solid(0, 4)
