//! Multi-image: a real firmware reads the part that was installed with it, before and after an update.

use crate::boot::{CLASS, VENDOR, factory_of, key, power_on, request_update_of};
use crate::harness::FIRMWARE;
use otaru_flash::Mode;
use otaru_image::{BoardIds, ImageBuilder, SigningKey, Uuid, Version};

fn builder(payload: Vec<u8>, minor: u8) -> ImageBuilder {
    let version = Version {
        major: 1,
        minor,
        ..Version::default()
    };
    ImageBuilder::new(payload, version)
        .security_counter(1)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        })
}

/// Firmware 1.0 with resources of this version, which begin with the text.
fn file(minor: u8, text: &str, signer: &SigningKey) -> Vec<u8> {
    let mut resources = text.as_bytes().to_vec();
    resources.resize(50_000, 0x77);
    let part = builder(resources, minor).index(1).sign(signer);
    builder(FIRMWARE.clone(), 0)
        .part(1, part.expect("a part can be built"))
        .part_align(0x4000)
        .sign(&key())
        .expect("the image can be built")
}

#[test]
fn firmware_reads_the_resources_that_came_with_it() {
    for mode in [Mode::Standby, Mode::Swap] {
        let (old, new) = (file(3, "HELLO", &key()), file(4, "WORLD", &key()));
        let device = factory_of(mode, "part", false, &old);
        request_update_of(&device, mode, (&old, &new));
        let mut console = power_on(&device);
        console.wait("part 1.4.0+0 WORLD Err(OutOfBounds)");
        // Nobody feeds the watchdog or confirms: firmware and resources come back together.
        console.wait("part 1.3.0+0 HELLO Err(OutOfBounds)");
    }
}

#[test]
fn update_with_resources_of_a_stranger_is_not_installed() {
    let stranger = SigningKey::from_seed([8; 32]);
    let (old, new) = (file(3, "HELLO", &key()), file(4, "WORLD", &stranger));
    let device = factory_of(Mode::Swap, "part", false, &old);
    request_update_of(&device, Mode::Swap, (&old, &new));
    let mut console = power_on(&device);
    console.wait("part 1.3.0+0 HELLO");
}
