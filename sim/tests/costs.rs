//! What an update costs, against the budgets of the field.
// A28 A29; budgets: swap 2·d·n + 2 and d·n, standby d·n and d·n, one record erase per update

use otaru_flash::Mode;
use otaru_sim::{Device, Images, Scenario, Shape};

fn device(mode: Mode, scenario: &str, filled: u32) -> Device {
    let shape = Shape::plain(mode, 7);
    let images = Images::new(&shape.layout(), &[3300, 3300], 100, 3);
    let scenario = Scenario::from_name(scenario).expect("it is in the list");
    let mut device = Device::new(&shape, &images, scenario, 3);
    device.fill_record(filled);
    device
}

#[test]
fn install_and_revert_cost_what_the_protocol_says() {
    let chunks = 7;
    for (mode, install, both) in [(Mode::Swap, 2, 3), (Mode::Standby, 1, 2)] {
        for (scenario, factor) in [("confirm", install), ("hang", both)] {
            let mut device = device(mode, scenario, 0);
            let record = device.layout().record;
            device.run(&[]).expect("without a cut");
            // What the bootloader erased, less the halves of the record.
            let halves = u64::from(device.flash.wear_max(record.offset, record.len) - 1);
            let of_record = halves * u64::from(record.len / record.erase_len / 2);
            assert!(
                device.boot_erases <= factor * chunks + of_record,
                "{mode:?} {scenario}: {} erases",
                device.boot_erases
            );
        }
    }
}

#[test]
fn update_without_a_cut_costs_at_most_one_erase_of_the_record() {
    for mode in [Mode::Swap, Mode::Standby] {
        for scenario in ["confirm", "hang", "refuse"] {
            // Every place at which the record may stand when the update begins.
            for filled in 0..14 {
                let mut device = device(mode, scenario, filled);
                let record = device.layout().record;
                let wear: Vec<u32> = halves(&device, &record);
                device.run(&[]).expect("without a cut");
                let worn: u32 = halves(&device, &record)
                    .iter()
                    .zip(&wear)
                    .map(|(now, before)| now - before)
                    .sum();
                assert!(
                    worn <= 1,
                    "{mode:?} {scenario} filled {filled}: {worn} halves erased"
                );
            }
        }
    }
}

fn halves(device: &Device, record: &otaru_flash::Area) -> Vec<u32> {
    let halves = record.halves();
    halves
        .iter()
        .map(|half| device.flash.wear_max(half.offset, half.len))
        .collect()
}
