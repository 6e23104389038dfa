//! C-side hardening: dependencies on other images.

use otaru_image::{
    Dependency, ImageError, Malformed, Present, Unsupported, VerifyError, Version, tlv,
};

use crate::forge::{Forge, VERSION, check, device, look, signing_key, trusted};

fn version(major: u8, build: u32) -> Version {
    Version {
        major,
        build,
        ..Version::default()
    }
}

fn dependency(image: u8, major: u8, build: u32) -> (u16, Vec<u8>) {
    let mut data = vec![image, 0, 0, 0, major, 0, 0, 0];
    data.extend(build.to_le_bytes());
    (tlv::DEPENDENCY, data)
}

fn forged(entries: &[(u16, Vec<u8>)]) -> Forge {
    let mut forge = Forge::new();
    forge.protected.extend_from_slice(entries);
    forge
}

fn refusal(forge: &Forge) -> ImageError<otaru_image::OutOfBounds> {
    let keys = [trusted(&signing_key())];
    let refused = look(&forge.build()).unwrap_err();
    let verdict = check(&forge.build(), &device(&keys));
    assert_eq!(verdict, Err(VerifyError::from(refused)));
    refused
}

#[test]
fn dependency_is_met_by_this_version_or_a_later_one_alone() {
    let keys = [trusted(&signing_key())];
    let image = forged(&[dependency(1, 2, 5)]).build();
    let verdict = |present: &[Present]| {
        let mut expect = device(&keys);
        expect.present = present;
        check(&image, &expect).map(drop)
    };
    let needed = Dependency {
        image: 1,
        version: version(2, 5),
    };
    let reason = VerifyError::DependencyUnmet(needed);
    let unmet = Err(reason);
    let other = |image, version| Present { image, version };
    assert_eq!(verdict(&[other(1, version(2, 5))]), Ok(()));
    assert_eq!(verdict(&[other(1, version(3, 0))]), Ok(()));
    assert_eq!(verdict(&[other(1, version(2, 4))]), unmet);
    assert_eq!(verdict(&[other(1, version(1, 9))]), unmet);
    assert_eq!(verdict(&[other(2, version(9, 9))]), unmet);
    let unknown = VerifyError::Unsupported(Unsupported::Dependency);
    assert_eq!(verdict(&[]), Err(unknown));
    assert_eq!(
        reason.to_string(),
        "the image needs image 1 in version 2.0.0+5 or later"
    );
}

#[test]
fn image_that_depends_on_itself_is_judged_by_its_own_version() {
    let keys = [trusted(&signing_key())];
    let itself = forged(&[dependency(0, VERSION.major, 0)]).build();
    assert!(check(&itself, &device(&keys)).is_ok());
    let later = forged(&[dependency(0, VERSION.major + 1, 0)]).build();
    assert!(matches!(
        check(&later, &device(&keys)),
        Err(VerifyError::DependencyUnmet(_))
    ));
    // On a device where it is the second image, image 0 is another one.
    let mut expect = device(&keys);
    expect.index = 1;
    let unknown = VerifyError::Unsupported(Unsupported::Dependency);
    assert_eq!(check(&itself, &expect), Err(unknown));
}

#[test]
fn four_dependencies_fit_and_five_do_not() {
    let entries: Vec<_> = (0..5).map(|image| dependency(image, 1, 0)).collect();
    let described = look(&forged(&entries[..4]).build()).unwrap();
    assert_eq!(described.dependencies.iter().count(), 4);
    let malformed = ImageError::Malformed(Malformed::DependencyCount);
    assert_eq!(refusal(&forged(&entries)), malformed);
}

#[test]
fn dependency_that_breaks_a_rule_is_refused() {
    let twice = forged(&[dependency(1, 1, 0), dependency(1, 2, 0)]);
    let kind = tlv::DEPENDENCY;
    let duplicate = ImageError::Malformed(Malformed::TlvDuplicate(kind));
    assert_eq!(refusal(&twice), duplicate);
    for len in [0, 4, 11, 13, 268] {
        let forge = forged(&[(kind, vec![0; usize::from(len)])]);
        let wrong = ImageError::Malformed(Malformed::TlvLen { kind, len });
        assert_eq!(refusal(&forge), wrong);
    }
    let mut unsigned = Forge::new();
    unsigned.unprotected.push(dependency(1, 1, 0));
    let area = ImageError::Malformed(Malformed::TlvArea(kind));
    assert_eq!(refusal(&unsigned), area);
    for reserved in 1..4 {
        let mut slot = dependency(1, 1, 0);
        slot.1[reserved] = 1;
        let unsupported = ImageError::Unsupported(Unsupported::Dependency);
        assert_eq!(refusal(&forged(&[slot])), unsupported);
    }
}
