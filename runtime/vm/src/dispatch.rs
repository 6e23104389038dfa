//! From a request of the bytecode to a call of the host, and back. Every range is checked here.
//!
//! `cargo xtask codegen` writes this file from `core/abi/src/table.rs`.

use otaru_abi::Errno;

use crate::arguments::{Arguments, Stop, array, buffer, copy, input};
use crate::host::{Fota, Host, Numbers as _};

/// Calls what the VM does not answer itself.
///
/// # Errors
/// What the host answered, or that a range is not within the bytecode's memory.
pub(crate) fn call(
    function: u8,
    arguments: &Arguments,
    memory: &mut [u8],
    (host, fota): (&mut impl Host, &mut impl Fota),
) -> Result<i64, Stop> {
    match function {
        0 => log(arguments, memory, host),
        1 => Ok(i64::try_from(host.millis()).unwrap_or(i64::MAX)),
        3 => random(arguments, memory, host),
        4 => kv_get(arguments, memory, host),
        5 => kv_put(arguments, memory, host),
        6 => kv_delete(arguments, memory, host),
        7 => publish(arguments, memory, host),
        9 => gpio_configure(arguments, memory, host),
        10 => gpio_read(arguments, memory, host),
        11 => gpio_write(arguments, memory, host),
        12 => fota_get_record(arguments, memory, fota),
        13 => fota_set_record(arguments, memory, fota),
        14 => fota_find_bytecode_slot(arguments, memory, fota),
        15 => fota_find_vm_slot(arguments, memory, fota),
        16 => fota_erase_slot(arguments, memory, fota),
        17 => fota_write_slot(arguments, memory, fota),
        18 => fota_checksum_slot(arguments, memory, fota),
        19 => fota_restart(arguments, memory, fota),
        20 => fota_accept(arguments, memory, fota),
        21 => fota_attempt(arguments, memory, fota),
        22 => fota_close_slot(arguments, memory, fota),
        23 => fota_digest_slot(arguments, memory, fota),
        _ => Err(Stop::Errno(Errno::Unsupported)),
    }
}

fn log(arguments: &Arguments, memory: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let level = arguments.number(0);
    let text = input(memory, arguments, 1, 256)?;
    host.log(level, text)?;
    Ok(0)
}

fn random(arguments: &Arguments, memory: &mut [u8], host: &mut impl Host) -> Result<i64, Stop> {
    let buffer = buffer(memory, arguments, 0, 256)?;
    host.random(buffer)?;
    Ok(0)
}

fn kv_get(arguments: &Arguments, memory: &mut [u8], host: &mut impl Host) -> Result<i64, Stop> {
    let mut key_copy = [0_u8; 32];
    let key = copy(memory, arguments, 0, &mut key_copy)?;
    let value = buffer(memory, arguments, 2, 1024)?;
    let len = host.kv_get(key, value)?;
    i64::try_from(len).map_err(|_too_long| Stop::Errno(Errno::TooLong))
}

fn kv_put(arguments: &Arguments, memory: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let key = input(memory, arguments, 0, 32)?;
    let value = input(memory, arguments, 2, 1024)?;
    host.kv_put(key, value)?;
    Ok(0)
}

fn kv_delete(arguments: &Arguments, memory: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let key = input(memory, arguments, 0, 32)?;
    host.kv_delete(key)?;
    Ok(0)
}

fn publish(arguments: &Arguments, memory: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let topic = input(memory, arguments, 0, 64)?;
    let payload = input(memory, arguments, 2, 1024)?;
    host.publish(topic, payload)?;
    Ok(0)
}

fn gpio_configure(arguments: &Arguments, _: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let pin = arguments.number(0);
    let mode = arguments.number(1);
    host.gpio_configure(pin, mode)?;
    Ok(0)
}

fn gpio_read(arguments: &Arguments, _: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let pin = arguments.number(0);
    Ok(i64::from(host.gpio_read(pin)?))
}

fn gpio_write(arguments: &Arguments, _: &[u8], host: &mut impl Host) -> Result<i64, Stop> {
    let pin = arguments.number(0);
    let level = arguments.number(1);
    host.gpio_write(pin, level)?;
    Ok(0)
}

fn fota_get_record(
    arguments: &Arguments,
    memory: &mut [u8],
    fota: &mut impl Fota,
) -> Result<i64, Stop> {
    let record = array(memory, arguments, 0)?;
    fota.get_record(record)?;
    Ok(0)
}

fn fota_set_record(arguments: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    let vm = arguments.number(0);
    let vm_working = arguments.number(1);
    let bytecode = arguments.number(2);
    let bytecode_working = arguments.number(3);
    fota.set_record(vm, vm_working, bytecode, bytecode_working)?;
    Ok(0)
}

fn fota_find_bytecode_slot(_: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    Ok(i64::from(fota.find_bytecode_slot()?))
}

fn fota_find_vm_slot(_: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    Ok(i64::from(fota.find_vm_slot()?))
}

fn fota_erase_slot(arguments: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    let addr = arguments.number(0);
    let size = arguments.number(1);
    fota.erase_slot(addr, size)?;
    Ok(0)
}

fn fota_write_slot(
    arguments: &Arguments,
    memory: &[u8],
    fota: &mut impl Fota,
) -> Result<i64, Stop> {
    let addr = arguments.number(0);
    let block = input(memory, arguments, 1, 4096)?;
    fota.write_slot(addr, block)?;
    Ok(0)
}

fn fota_checksum_slot(
    arguments: &Arguments,
    memory: &mut [u8],
    fota: &mut impl Fota,
) -> Result<i64, Stop> {
    let addr = arguments.number(0);
    let size = arguments.number(1);
    let md5 = array(memory, arguments, 2)?;
    fota.checksum_slot(addr, size, md5)?;
    Ok(0)
}

fn fota_restart(_: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    fota.restart()?;
    Ok(0)
}

fn fota_accept(_: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    fota.accept()?;
    Ok(0)
}

fn fota_attempt(arguments: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    let bytecode = arguments.number(0);
    let vm = arguments.number(1);
    fota.attempt(bytecode, vm)?;
    Ok(0)
}

fn fota_close_slot(arguments: &Arguments, _: &[u8], fota: &mut impl Fota) -> Result<i64, Stop> {
    let addr = arguments.number(0);
    fota.close_slot(addr)?;
    Ok(0)
}

fn fota_digest_slot(
    arguments: &Arguments,
    memory: &mut [u8],
    fota: &mut impl Fota,
) -> Result<i64, Stop> {
    let addr = arguments.number(0);
    let size = arguments.number(1);
    let sha256 = array(memory, arguments, 2)?;
    fota.digest_slot(addr, size, sha256)?;
    Ok(0)
}
