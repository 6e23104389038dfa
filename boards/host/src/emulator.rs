//! The CPU as a machine emulator: QEMU's machine `virt`, on the flash file of a chip.
//!
//! QEMU has no option that ends it with the process that started it, so this program asks the system
//! for that and then becomes QEMU.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Length of each of the machine's two flash parts, in bytes; QEMU insists on it.
const PART_LEN: u64 = 32 << 20;
/// Where QEMU takes orders, in the device folder.
pub(crate) const ORDERS_SOCKET: &str = "qemu.sock";
/// What the machine's RAM holds, in the device folder.
pub(crate) const RAM_FILE: &str = "ram.bin";
/// What QEMU calls the cable.
pub(crate) const NETWORK: &str = "net";

/// Becomes QEMU, with the flash in the device folder `dir`. Standard input and output are the
/// machine's serial line. Returns only if that fails.
pub fn main(qemu: &Path, dir: &Path) -> io::Error {
    if let Err(error) = crate::board::end_with_chip() {
        return error;
    }
    let part = |index: u64| {
        let offset = index * PART_LEN;
        // A comma is doubled inside of a value of `-drive`.
        format!(
            "if=pflash,unit={index},file=json:{{\"driver\":\"raw\",,\"offset\":{offset},,\
             \"size\":{PART_LEN},,\"file\":\"flash\"}}"
        )
    };
    Command::new(qemu)
        .current_dir(dir)
        .args([
            "-M",
            "virt,memory-backend=ram",
            "-m",
            "32M",
            "-bios",
            "none",
        ])
        .args([
            "-object",
            &format!("memory-backend-file,id=ram,size=32M,share=on,mem-path={RAM_FILE}"),
        ])
        // The chip starts the next process: see its side of this.
        .arg("-no-reboot")
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        .args(["-qmp", &format!("unix:{ORDERS_SOCKET},server=on,wait=off")])
        .args([
            "-blockdev",
            "driver=file,node-name=flash,filename=flash.bin",
        ])
        .args(["-drive", &part(0), "-drive", &part(1)])
        .args(["-netdev", &format!("user,id={NETWORK}")])
        .args(["-device", &format!("virtio-net-device,netdev={NETWORK}")])
        .args(["-device", "virtio-rng-device"])
        .exec()
}
