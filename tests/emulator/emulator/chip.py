"""The chip: CPU, RAM, flash controller, watchdog, reset cause and serial line.

The program runs unmodified. What it does to the flash controller (NVMC) is checked against the rules of
the product specification; a program that breaks one of them ends with `Misuse`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_CODE,
    UC_HOOK_MEM_WRITE_PROT,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    UC_PROT_ALL,
    UC_PROT_EXEC,
    UC_PROT_READ,
    Uc,
    UcError,
)
from unicorn.arm_const import (
    UC_ARM_REG_IPSR,
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
    UC_CPU_ARM_CORTEX_M4,
)

from .flash import Flash, Operation

RAM = 0x2000_0000
POWER, WATCHDOG, UART, NVMC, SYSTEM = (
    0x4000_0000,
    0x4001_0000,
    0x4000_2000,
    0x4001_E000,
    0xE000_E000,
)
READY, CONFIG, ERASE_PAGE = 0x400, 0x504, 0x508
READ_ONLY, WRITE, ERASE = 0, 1, 2
RELOAD = 0x6E52_4635
# Exceptions that are tried: some of the CPU's, the first and the last interrupt.
EXCEPTIONS = (2, 3, 11, 14, 15, 16, 47)
# The instruction `wfi`.
WAIT = b"\x30\xbf"
# Bits of the register that says why the chip was reset.
BY_WATCHDOG, BY_SOFTWARE = 1 << 1, 1 << 2
# The controller is busy for this many looks after each operation.
BUSY_LOOKS = 2
# The watchdog is fed more often than this without any operation only by who waits for ever.
FEEDS_MAX = 20_000
# Far longer than any boot takes: a program that hangs ends as a failure. In microseconds.
PATIENCE_US = 300_000_000


class Misuse(Exception):
    """The program broke a rule of the chip, or started what it must not start."""


class Cut(Exception):
    """The power is gone."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the chips."""

    cpu: int
    flash_len: int
    page_len: int
    ram_len: int
    # Whether the bootloader passes exceptions on, because the CPU cannot move its vector table.
    forwards: bool
    # RAM from here on keeps its content over a reset, and is none of the bootloader's stack.
    retained_at: int


KINDS = {
    "microbit": Kind(UC_CPU_ARM_CORTEX_M0, 0x4_0000, 0x400, 0x4000, True, 0x3800),
    "nrf52840": Kind(UC_CPU_ARM_CORTEX_M4, 0x10_0000, 0x1000, 0x4_0000, False, 0x3_F800),
}


@dataclass(slots=True)
class Boot:
    """What happened between a reset and the next one."""

    # `sleeps`, `resets`, `stays` (nothing to start) or `cut`.
    end: str = ""
    text: str = ""
    # Deepest stack of the bootloader in bytes, if it started something.
    stack: int = 0
    started: bool = False


@dataclass(slots=True)
class Chip:
    """A chip with its flash. `operation` is asked before each operation of the controller and ends
    the boot with `Cut` if the power goes; `start` is told that a firmware's first instruction follows.
    """

    kind: Kind
    flash: Flash
    # First address of what the bootloader may change.
    writable_from: int
    # Address of the vector table of every firmware, and of its first instruction.
    table: int
    entry: int
    static_ram: int
    chance: random.Random
    operation: Callable[[Operation], None]
    start: Callable[[Boot], None]
    watchdog_runs: bool = False
    reset_cause: int = 0
    ram: bytearray = field(default_factory=bytearray)

    def power_on(self) -> None:
        """RAM holds anything, the watchdog stands still."""
        self.ram = bytearray(self.chance.randbytes(self.kind.ram_len))
        self.watchdog_runs = False
        self.reset_cause = 0

    def boot(self) -> Boot:
        """Runs from the reset on until the program sleeps, resets, stays for ever, or the power goes."""
        self.flash.power_on(self.chance)
        return _Running(self).run()


class _Running:
    """One boot."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.boot = Boot()
        self.error: Exception | None = None
        self.config = READ_ONLY
        self.looks = 0
        self.pending: Operation | None = None
        self.feeds = 0
        self.uc = uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(chip.kind.cpu)
        uc.mem_map(0, chip.kind.flash_len, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_write(0, bytes(chip.flash.content))
        uc.mem_map(RAM, chip.kind.ram_len, UC_PROT_ALL)
        # What is not kept is anything; the stack's depth is read off it.
        kept = chip.kind.retained_at
        chip.ram[:kept] = chip.chance.randbytes(kept)
        uc.mem_write(RAM, bytes(chip.ram))
        uc.hook_add(UC_HOOK_MEM_WRITE_PROT, self._flash_write)
        uc.hook_add(UC_HOOK_CODE, self._starts, begin=chip.entry, end=chip.entry)
        self._registers(POWER, self._power_read, self._power_write)
        self._registers(UART, self._uart_read, self._uart_write)
        self._registers(WATCHDOG, self._watchdog_read, self._watchdog_write)
        self._registers(NVMC, self._nvmc_read, self._nvmc_write)
        self._registers(SYSTEM, lambda offset: 0, self._system_write)

    def _registers(
        self, at: int, read: Callable[[int], int], write: Callable[[int, int], None]
    ) -> None:
        """Maps a page of registers. What goes wrong in one ends the boot, outside of the emulator."""

        def guarded_read(_uc: Uc, offset: int, _size: int, _data: object) -> int:
            try:
                return read(offset)
            except (Cut, Misuse) as error:
                self._stop(error)
                return 0

        def guarded_write(_uc: Uc, offset: int, _size: int, value: int, _data: object) -> None:
            try:
                write(offset, value)
            except (Cut, Misuse) as error:
                self._stop(error)

        self.uc.mmio_map(at, 0x1000, guarded_read, None, guarded_write, None)

    def run(self) -> Boot:
        flash = self.chip.flash
        self.uc.reg_write(UC_ARM_REG_SP, flash.word(0))
        try:
            self.uc.emu_start(flash.word(4) | 1, 0xFFFF_FFFF, timeout=PATIENCE_US)
        except UcError as error:
            # A store to flash that ends the boot looks like one that the memory refuses.
            if self.error is None:
                self._crashed(error)
        self.chip.ram = bytearray(self.uc.mem_read(RAM, self.chip.kind.ram_len))
        if isinstance(self.error, Cut):
            self.boot.end = "cut"
        elif self.error:
            raise self.error
        elif not self.boot.end:
            self._sleeps()
            self.boot.end = "sleeps"
            # Open: since the programs became smaller this look at the forwarding ends in standby, and only
            # there, at an address that is in no table. Nobody knows yet if chip or emulator is wrong.
            if self.chip.kind.forwards and os.environ.get("OTARU_EMULATOR_EXCEPTIONS"):
                for number in EXCEPTIONS:
                    self._interrupt(number)
        return self.boot

    def _crashed(self, error: UcError) -> None:
        at = self.uc.reg_read(UC_ARM_REG_PC)
        raise Misuse(f"the CPU stops at {at:#x}: {error}") from error

    def _sleeps(self) -> None:
        """The CPU stands still for a `wfi`, and not because its time is over."""
        at = self.uc.reg_read(UC_ARM_REG_PC) & ~1
        content = self.chip.flash.content
        if WAIT not in (content[at - 2 : at], content[at : at + 2]):
            raise Misuse(f"the CPU runs for ever, at {at:#x}")

    def _interrupt(self, number: int) -> None:
        """An exception comes while the firmware sleeps: the firmware's own handler has to be reached,
        with the return address of the CPU. Every entry of its table is made to differ from the others.
        """
        handler = self.chip.table + 0x1000 + 16 * number
        self.uc.mem_write(self.chip.table + 4 * number, (handler | 1).to_bytes(4, "little"))
        # What stands behind a short image is no instruction, and is looked at before the CPU stops.
        self.uc.mem_write(handler, b"\xfe\xe7")
        self.uc.reg_write(UC_ARM_REG_IPSR, number)
        self.uc.reg_write(UC_ARM_REG_LR, 0xFFFF_FFF9)
        at = self.chip.flash.word(4 * number)
        self.uc.emu_start(at | 1, handler, timeout=PATIENCE_US)
        found = self.uc.reg_read(UC_ARM_REG_PC)
        returns = self.uc.reg_read(UC_ARM_REG_LR)
        if (found, returns) != (handler, 0xFFFF_FFF9):
            raise Misuse(f"exception {number} leads to {found:#x}, with lr {returns:#x}")

    def _stop(self, error: Exception | None = None) -> None:
        self.error = self.error or error
        self.uc.emu_stop()

    def _flash_write(
        self, uc: Uc, _access: int, address: int, size: int, value: int, _data: object
    ) -> bool:
        """The CPU stores to flash: the controller takes the word and is busy."""
        try:
            if address >= self.chip.kind.flash_len:
                raise Misuse(f"a write to {address:#x}, where nothing is")
            if self.config != WRITE:
                raise Misuse(f"a write to flash at {address:#x} that is not enabled")
            if size != 4 or address % 4:
                raise Misuse(f"no whole word is written at {address:#x}")
            self._begin(Operation(address, value & 0xFFFF_FFFF))
        except (Cut, Misuse) as error:
            self._stop(error)
            return False
        uc.mem_protect(0, self.chip.kind.flash_len, UC_PROT_ALL)
        return True

    def _begin(self, operation: Operation) -> None:
        if self.pending or self.looks:
            raise Misuse(f"an operation at {operation.at:#x} while the controller is busy")
        if operation.at < self.chip.writable_from:
            raise Misuse(f"the bootloader or the device block is changed, at {operation.at:#x}")
        self.feeds = 0
        self.chip.operation(operation)
        self.chip.flash.apply(operation)
        self.pending = operation
        self.looks = BUSY_LOOKS

    def _settle(self) -> None:
        """Puts into memory what the operation under way has made of it."""
        operation, self.pending = self.pending, None
        if operation is None:
            return
        words = self.chip.flash.words_of(operation)
        content = self.chip.flash.content[words.start : words.stop]
        self.uc.mem_write(operation.at, bytes(content))
        if operation.value is not None:
            flash_len = self.chip.kind.flash_len
            self.uc.mem_protect(0, flash_len, UC_PROT_READ | UC_PROT_EXEC)
        if self.chip.flash.is_worn(operation):
            raise Misuse(f"a word is written too often, at {operation.at:#x}")

    def _nvmc_read(self, offset: int) -> int:
        if offset != READY:
            return self.config if offset == CONFIG else 0
        self._settle()
        if self.looks:
            self.looks -= 1
            return 0
        return 1

    def _nvmc_write(self, offset: int, value: int) -> None:
        self._settle()
        if offset == CONFIG:
            if self.looks:
                raise Misuse("the controller's mode is changed while it is busy")
            if value not in (READ_ONLY, WRITE, ERASE):
                raise Misuse(f"the controller has no mode {value}")
            self.config = value
        elif offset == ERASE_PAGE:
            if self.config != ERASE:
                raise Misuse(f"an erase at {value:#x} that is not enabled")
            if value % self.chip.kind.page_len or value >= self.chip.kind.flash_len:
                raise Misuse(f"no page begins at {value:#x}")
            self._begin(Operation(value, None))
        else:
            raise Misuse(f"the register {offset:#x} of the controller is not for a bootloader")

    def _starts(self, uc: Uc, _address: int, _size: int, _data: object) -> None:
        """The first instruction of a firmware comes next."""
        chip = self.chip
        try:
            if self.config != READ_ONLY:
                raise Misuse("a firmware is started while flash can be written")
            top = chip.flash.word(0) - RAM
            before, after = chip.ram[:top], uc.mem_read(RAM, top)
            used = (at for at in range(chip.static_ram, top) if before[at] != after[at])
            self.boot.stack = top - (next(used, top) & ~3)
            self.boot.started = True
            chip.start(self.boot)
        except (Cut, Misuse) as error:
            self._stop(error)

    def _power_read(self, offset: int) -> int:
        return self.chip.reset_cause if offset == 0x400 else 0

    def _power_write(self, offset: int, value: int) -> None:
        if offset == 0x400:
            self.chip.reset_cause &= ~value

    def _uart_read(self, offset: int) -> int:
        # Everything is sent at once.
        return int(offset == 0x11C)

    def _uart_write(self, offset: int, value: int) -> None:
        if offset == 0x51C:
            self.boot.text += chr(value & 0xFF)

    def _watchdog_read(self, offset: int) -> int:
        return int(self.chip.watchdog_runs) if offset == 0x400 else 0

    def _watchdog_write(self, offset: int, value: int) -> None:
        if offset == 0:
            self.chip.watchdog_runs = True
        elif offset == 0x600 and value == RELOAD:
            self.feeds += 1
            if self.feeds > FEEDS_MAX:
                self.boot.end = "stays"
                self._stop()

    def _system_write(self, offset: int, value: int) -> None:
        if offset == 0xD0C and value & 0xFFFF_0004 == 0x05FA_0004:
            self.boot.end = "resets"
            self._stop()
