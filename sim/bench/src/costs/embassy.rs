//! The same update with `embassy-boot`.

use super::{BUFFER_LEN, Costs, PAGE_LEN, Pair, Timed};
use crate::embassy::{Firmware, Partitions, prepare_boot, update};
use crate::meter::Meter;
use anyhow::{Result, anyhow, bail, ensure};
use embassy_boot::State;
use otaru_flash::Flash as _;
use otaru_sim::{Again, Part, SimFlash};
use std::cell::RefCell;

const PAGE: usize = PAGE_LEN as usize;

/// Measures one update.
///
/// # Errors
/// If the update does not do what it should.
pub(super) fn measure(roomy: bool, pair: &Pair, part: &Timed) -> Result<Costs> {
    match part.write_unit {
        1 => with_unit::<1>(roomy, pair, part),
        4 => with_unit::<4>(roomy, pair, part),
        8 => with_unit::<8>(roomy, pair, part),
        unit => bail!("no write unit of {unit} bytes"),
    }
}

fn with_unit<const W: usize>(roomy: bool, pair: &Pair, part: &Timed) -> Result<Costs> {
    let pages = if roomy {
        pair.chunks() * 3 / 2
    } else {
        pair.chunks()
    };
    let at = Partitions::new(pages, PAGE_LEN, u32::from(part.write_unit));
    let mut simulated = Part::uniform(at.len(), PAGE_LEN, u32::from(part.write_unit));
    simulated.again = Again::ZeroOnly;
    let flash = SimFlash::new(simulated.with_timing(part.timing), 1);
    let mut meter = Meter::new(flash, (at.state_at(), at.len()));
    meter
        .program(0, &pair.old.bytes)
        .map_err(|fault| anyhow!("flash: {fault:?}"))?;
    let flash = RefCell::new(meter);
    firmware::<W>(&flash, &at, Firmware::Download(&pair.new.bytes))?;
    let before = flash.borrow_mut().take();

    firmware::<W>(&flash, &at, Firmware::MarkUpdated)?;
    start::<W>(&flash, &at, &pair.new.bytes)?;
    let install = flash.borrow_mut().take();

    let reverting = flash.clone();
    start::<W>(&reverting, &at, &pair.old.bytes)?;
    let revert = reverting.borrow_mut().take();

    firmware::<W>(&flash, &at, Firmware::MarkBooted)?;
    let confirm = flash.borrow_mut().take();
    let mut buf = [0; BUFFER_LEN];
    let state = prepare_boot::<_, W, PAGE>(&flash, &at, &mut buf);
    ensure!(matches!(state, Ok(State::Boot)), "it is not confirmed");
    ensure!(flash.borrow().flash().misuse().is_none(), "flash misused");
    Ok(Costs {
        before,
        install,
        revert,
        confirm,
        half_sectors: 0,
    })
}

fn firmware<const W: usize>(
    flash: &RefCell<Meter>,
    at: &Partitions,
    what: Firmware<'_>,
) -> Result<()> {
    update::<_, W, PAGE>(flash, at, what).map_err(|error| anyhow!("updater: {error:?}"))
}

/// Resets and boots, which must exchange the images so that this one runs.
fn start<const W: usize>(flash: &RefCell<Meter>, at: &Partitions, image: &[u8]) -> Result<()> {
    flash.borrow_mut().reset();
    let state = prepare_boot::<_, W, PAGE>(flash, at, &mut [0; BUFFER_LEN])
        .map_err(|error| anyhow!("prepare_boot: {error:?}"))?;
    ensure!(state == State::Swap, "it found {state:?}");
    ensure!(flash.borrow().flash().holds(0, image), "another image runs");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::PARTS;
    use super::*;

    #[test]
    fn the_whole_partition_is_exchanged_whatever_the_image_is() {
        let pair = Pair::new(64 * 1024, 5).unwrap();
        for part in &PARTS {
            let tight = measure(false, &pair, part).unwrap();
            let roomy = measure(true, &pair, part).unwrap();
            assert_eq!(tight.install.images.erases, 2 * 16);
            assert_eq!(roomy.install.images.erases, 2 * 24);
            assert_eq!(tight.revert.images.erases, 2 * 16);
            assert!(tight.confirm.state.erases >= 1);
        }
    }
}
