//! Our budgets, asserted: what an update may erase.

use super::{Costs, PARTS, Pair, otaru};
use anyhow::{Result, ensure};
use otaru_flash::Mode;

/// Whether an update kept its budget. With `dn` differing chunks, `swap` may erase `2·dn + 2`
/// sectors to install and `dn` to revert, `standby` `dn` and `dn`; an update that is not cut may
/// erase half a record once, from its first entry to its last.
///
/// # Errors
/// If it did not.
pub(crate) fn check(mode: Mode, pair: &Pair, costs: &Costs) -> Result<()> {
    let dn = u64::from(pair.differing());
    let (install_max, revert_max) = match mode {
        Mode::Swap => (2 * dn + 2, dn),
        Mode::Standby => (dn, dn),
    };
    let install = costs.install.images.erases;
    ensure!(
        install <= install_max,
        "{}: {install} erases to install, at most {install_max} are allowed",
        mode.name()
    );
    let revert = costs.revert.images.erases;
    ensure!(
        revert <= revert_max,
        "{}: {revert} erases to revert, at most {revert_max} are allowed",
        mode.name()
    );
    let confirm = costs.confirm.images.erases;
    ensure!(confirm == 0, "{confirm} erases of images to confirm");
    for (way, end) in [("confirmed", &costs.confirm), ("reverted", &costs.revert)] {
        let record = costs.before.state.erases + costs.install.state.erases + end.state.erases;
        ensure!(
            record <= costs.half_sectors,
            "{}: {record} erases of the record in an update that is {way}, half of it has {} sectors",
            mode.name(),
            costs.half_sectors
        );
    }
    Ok(())
}

/// Checks the budget of the record wherever in its half an update may begin. The number of updates
/// that were measured.
///
/// # Errors
/// If one of them did not keep it.
pub(crate) fn check_every_filling() -> Result<u32> {
    let mut updates = 0;
    for mode in [Mode::Standby, Mode::Swap] {
        for part in &PARTS {
            let pair = Pair::new(64 * 1024, 100)?;
            for filled in 0..=otaru::fillings(mode, &pair, part) {
                check(mode, &pair, &otaru::measure(mode, &pair, part, filled)?)?;
                updates += 1;
            }
        }
    }
    Ok(updates)
}

#[cfg(test)]
mod tests {
    use super::super::{System, measure};
    use super::*;

    fn measured(mode: Mode) -> (Pair, Costs) {
        let pair = Pair::new(64 * 1024, 30).unwrap();
        let costs = measure(System::Otaru(mode), &pair, &PARTS[0]).unwrap();
        (pair, costs)
    }

    #[test]
    fn swap_erases_two_sectors_per_differing_chunk_and_one_to_revert() {
        let (pair, costs) = measured(Mode::Swap);
        check(Mode::Swap, &pair, &costs).unwrap();
        assert_eq!(costs.install.images.erases, 10);
        assert_eq!(costs.revert.images.erases, 5);
        assert_eq!(costs.install.worst, 1);
    }

    #[test]
    fn standby_erases_one_sector_per_differing_chunk_each_way() {
        let (pair, costs) = measured(Mode::Standby);
        check(Mode::Standby, &pair, &costs).unwrap();
        assert_eq!(costs.install.images.erases, 5);
        assert_eq!(costs.revert.images.erases, 5);
    }

    #[test]
    fn what_costs_more_is_refused() {
        let (pair, mut costs) = measured(Mode::Standby);
        costs.install.images.erases += 1;
        assert!(check(Mode::Standby, &pair, &costs).is_err());
        assert!(check(Mode::Swap, &pair, &costs).is_ok());
        costs.install.images.erases -= 1;
        costs.revert.images.erases += 1;
        assert!(check(Mode::Standby, &pair, &costs).is_err());
        costs.revert.images.erases -= 1;
        costs.before.state.erases = costs.half_sectors + 1;
        assert!(check(Mode::Standby, &pair, &costs).is_err());
    }
}
