//! Which of our crates may depend on which: the architecture as data. A new edge is one line here,
//! seen by a reviewer. What is not listed is refused.

/// `(crate, its normal dependencies)`.
pub(super) const NORMAL: &[(&str, &[&str])] = &[
    // What two sides agree on knows nobody.
    ("otaru-flash", &[]),
    ("otaru-image", &[]),
    ("otaru-ddi", &[]),
    ("otaru-abi", &[]),
    // The journal refers to areas and to digests.
    ("otaru-record", &["otaru-flash", "otaru-image"]),
    // What first stage, VM and tools of the slot engine agree on; its record is a journal like the other.
    (
        "otaru-slots",
        &["otaru-flash", "otaru-image", "otaru-record"],
    ),
    // Never the agent or DDI: the bootloader parses no network data.
    (
        "otaru-bootloader",
        &["otaru-flash", "otaru-image", "otaru-record"],
    ),
    // What comes in over the console ends here: the bootloader itself does not know it.
    (
        "otaru-bootloader-recovery",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-bootloader",
        ],
    ),
    (
        "otaru-runtime-agent",
        &["otaru-flash", "otaru-image", "otaru-record", "otaru-ddi"],
    ),
    // Of the agent only the proof that a firmware is permanent.
    (
        "otaru-runtime-data",
        &[
            "otaru-runtime-agent",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
        ],
    ),
    // Never the network or a guest.
    (
        "otaru-runtime-fota",
        &["otaru-flash", "otaru-image", "otaru-record", "otaru-slots"],
    ),
    (
        "otaru-runtime",
        &[
            "otaru-runtime-agent",
            "otaru-runtime-data",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
        ],
    ),
    // What runs bytecode knows the functions it is given, and nobody who gives them.
    ("otaru-runtime-vm", &["otaru-abi"]),
    // What bytecode links.
    ("otaru-guest", &["otaru-abi"]),
    ("bytecode-counter", &["otaru-guest"]),
    // A board brings device crates together with hardware; never anything of the host side.
    (
        "otaru-board-host",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            "otaru-bootloader",
            "otaru-bootloader-recovery",
            "otaru-runtime-agent",
            "otaru-runtime-data",
            "otaru-runtime",
        ],
    ),
    // Drivers that several boards of one vendor have in common.
    (
        "otaru-board-nrf",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-bootloader",
        ],
    ),
    (
        "otaru-board-nrf52840",
        &["otaru-board-nrf", "otaru-bootloader"],
    ),
    // The firmware of its tests writes the record.
    (
        "otaru-board-microbit",
        &[
            "otaru-board-nrf",
            "otaru-flash",
            "otaru-record",
            "otaru-bootloader",
        ],
    ),
    // `otaru-ddi` has the names of the reasons that its console prints.
    (
        "otaru-board-qemu-virt",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            "otaru-bootloader",
            "otaru-bootloader-recovery",
        ],
    ),
    ("counter", &["otaru-runtime", "otaru-board-host"]),
    ("settings", &["otaru-runtime", "otaru-board-host"]),
    ("otaru-lsp-project", &[]),
    ("otaru-lsp-ide", &["otaru-lsp-project"]),
    // Flashing writes the device block, the identity area and the first record; uploading and
    // watching name phases and reasons.
    (
        "otaru-lsp-build",
        &[
            "otaru-lsp-project",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            // Bytecode is judged here by the code that devices judge it with.
            "otaru-abi",
            "otaru-runtime-vm",
            // The cable of a device that runs on this machine: command line and editor write it with
            // the same code.
            "otaru-board-host",
        ],
    ),
    // Presses the buttons of devices on this machine, and judges by their record and their slots.
    (
        "otaru-lsp-lab",
        &[
            "otaru-lsp-build",
            "otaru-board-host",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
        ],
    ),
    // The board is here for the client of its control socket: console and buttons of a device that
    // runs on this machine.
    (
        "otaru-lsp",
        &[
            "otaru-lsp-project",
            "otaru-lsp-ide",
            "otaru-lsp-build",
            "otaru-lsp-lab",
            "otaru-board-host",
        ],
    ),
    ("otaru-manager-rollout", &["otaru-ddi"]),
    (
        "otaru-manager",
        &["otaru-manager-rollout", "otaru-ddi", "otaru-image"],
    ),
    // A process of its own that speaks JSON lines; it knows probes, and of ours the control socket of a
    // device on this machine, which is a backend like a real probe.
    ("otaru-probe", &["otaru-board-host", "otaru-flash"]),
    // One binary for everything on the host, so that the demo needs a single build.
    (
        "otaru",
        &[
            "otaru-lsp",
            "otaru-lsp-project",
            "otaru-lsp-ide",
            "otaru-lsp-build",
            "otaru-lsp-lab",
            "otaru-manager",
            "otaru-manager-rollout",
            "otaru-board-host",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
        ],
    ),
    // A flash that tears knows the contract and nothing of what stands in it.
    ("otaru-sim-flash", &["otaru-flash"]),
    // The deterministic world sees everything; nobody but tests sees it.
    (
        "otaru-sim",
        &[
            "otaru-sim-flash",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            "otaru-bootloader",
            "otaru-runtime-agent",
            "otaru-runtime",
            "otaru-manager-rollout",
            "otaru-manager",
        ],
    ),
    // The simulator as a program. The manifest's model is here for geometries of real boards.
    (
        "otaru-sim-bench",
        &[
            "otaru-sim",
            "otaru-sim-flash",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-bootloader",
            "otaru-lsp-project",
        ],
    ),
    ("xtask", &[]),
    // Fuzz targets run what parses bytes from outside; nobody depends on them.
    (
        "otaru-fuzz",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            "otaru-bootloader",
            "otaru-bootloader-recovery",
        ],
    ),
    // Whole updates with real processes; nobody depends on it.
    (
        "otaru-tests-scenarios",
        &[
            "otaru-board-host",
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-ddi",
            "otaru-runtime",
            "otaru-lsp-build",
            "otaru-lsp-lab",
            "otaru-lsp-project",
            "otaru-manager",
        ],
    ),
    // Bootloaders of real chips under an emulator; nobody depends on it. They are programs that it
    // builds and starts, so it depends on no board.
    (
        "otaru-tests-emulator",
        &[
            "otaru-flash",
            "otaru-image",
            "otaru-record",
            "otaru-lsp-build",
            "otaru-lsp-project",
        ],
    ),
];

/// What tests may use beyond the normal dependencies of their crate: the simulated world anywhere,
/// and these.
pub(super) const DEV_ANYWHERE: &[&str] = &["otaru-sim", "otaru-sim-flash"];

/// `(crate, further dependencies of its tests)`.
pub(super) const DEV: &[(&str, &[&str])] = &[
    // Real devices and the real build backend are driven against the real manager.
    (
        "otaru-manager",
        &[
            "otaru-board-host",
            "otaru-lsp-build",
            "otaru-flash",
            "otaru-record",
        ],
    ),
    // The agent's tests boot the real bootloader between its lives.
    ("otaru-runtime-agent", &["otaru-bootloader"]),
    // The board's tests run real updates of a real image.
    ("otaru-board-host", &["otaru-lsp-build"]),
    // The same in a machine emulator, with the geometry that the tools know.
    (
        "otaru-board-qemu-virt",
        &["otaru-lsp-build", "otaru-lsp-project"],
    ),
    ("otaru-lsp", &["otaru-image"]),
    (
        "otaru",
        &["otaru-runtime", "otaru-bootloader", "otaru-runtime-agent"],
    ),
];
