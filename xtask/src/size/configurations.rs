//! What is measured: a bootloader of a board, and with which features.

/// One program to be measured.
pub(super) struct Configuration {
    /// The board whose bootloader it is; its target stands in the table.
    pub(super) board: &'static str,
    /// Its name in the table.
    pub(super) name: &'static str,
    /// Features of the board's package, instead of the default ones.
    pub(super) features: &'static str,
    /// Whether it is measured in every run; the others only with `--all`.
    pub(super) always: bool,
    /// Most bytes of flash, where there is a limit of its own.
    pub(super) flash_max: Option<u64>,
    /// Whether the deepest stack can be told: not where text is formatted, which calls through
    /// pointers.
    pub(super) stack: bool,
    /// Whether static RAM has a limit: not on the machine that QEMU emulates, which has plenty.
    pub(super) ram_is_limited: bool,
}

/// Most bytes of flash with the verifier that belongs on a device.
const FLASH_MAX: u64 = 16_384;

/// An option that is measured with `--all`.
const fn option(board: &'static str, name: &'static str, features: &'static str) -> Configuration {
    Configuration {
        board,
        name,
        features,
        always: false,
        flash_max: None,
        stack: true,
        ram_is_limited: true,
    }
}

/// The same on the machine that QEMU emulates.
const fn emulated(name: &'static str, features: &'static str) -> Configuration {
    let mut configuration = option("qemu-virt", name, features);
    configuration.ram_is_limited = false;
    configuration
}

impl Configuration {
    /// The same, measured in every run.
    const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    const fn at_most(mut self, flash_max: u64) -> Self {
        self.flash_max = Some(flash_max);
        self
    }

    const fn without_stack(mut self) -> Self {
        self.stack = false;
        self
    }
}

/// All of them, in the order of the table.
pub(super) const ALL: &[Configuration] = &[
    option("nrf52840", "no signature", "").always(),
    option("nrf52840", "Ed25519, small", "small")
        .always()
        .at_most(FLASH_MAX),
    option("nrf52840", "Ed25519, dalek", "dalek").always(),
    option("nrf52840", "P-256", "p256"),
    option("nrf52840", "Ed25519, small, and P-256", "small,p256"),
    option("nrf52840", "small + skip-hash", "small,skip-hash"),
    option("nrf52840", "small + parts", "small,parts"),
    option("nrf52840", "small + encryption", "small,encryption"),
    option(
        "nrf52840",
        "small + parts + encryption + skip-hash",
        "small,parts,encryption,skip-hash",
    ),
    option("microbit", "no signature", ""),
    option("microbit", "Ed25519, small", "small").always(),
    option("microbit", "Ed25519, dalek", "dalek"),
    option("microbit", "P-256", "p256"),
    option("microbit", "small + skip-hash", "small,skip-hash"),
    option("microbit", "small + parts", "small,parts"),
    option("microbit", "small + encryption", "small,encryption"),
    emulated("Ed25519, small", "bootloader,small").always(),
    emulated("Ed25519, dalek", "bootloader,dalek"),
    emulated("P-256", "bootloader,p256"),
    emulated("small + skip-hash", "bootloader,small,skip-hash"),
    emulated("small + parts", "bootloader,small,parts"),
    emulated("small + encryption", "bootloader,small,encryption"),
    emulated("small + console and recovery (SMP)", "console,small").without_stack(),
    emulated("as it is started", "default")
        .always()
        .without_stack(),
];

/// Boards and features with which no panic may be reachable.
pub(super) const WITHOUT_PANIC: &[(&str, &str, &str)] = &[
    ("nrf52840", "no signature", "no-panic"),
    ("nrf52840", "Ed25519, small", "small,no-panic"),
    ("microbit", "Ed25519, small", "small,no-panic"),
];
