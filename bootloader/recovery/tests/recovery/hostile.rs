//! Random and half-sensible bytes: nothing panics, nothing but record and storage is written.

use crate::world::{framed, image};
use otaru_bootloader_recovery::fuzz::{MEMORY_LEN, Violation, run};
use otaru_sim::Rng;

fn first_seed() -> u64 {
    let seed = std::env::var("OTARU_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn bytes(rng: &mut Rng, len: u64) -> Vec<u8> {
    (0..rng.below(len)).map(|_| rng.byte()).collect()
}

/// A request that means something, with an image for a payload.
fn request(rng: &mut Rng) -> Vec<u8> {
    let image = image(1);
    let off = [0, 0, 100, rng.index(image.len())][rng.index(4)];
    let end = (off + rng.index(200)).min(image.len());
    let mut body = b"\xA4\x63off\x19".to_vec();
    body.extend(u16::try_from(off).expect("small").to_be_bytes());
    body.extend(b"\x63len\x19");
    body.extend(u16::try_from(image.len()).expect("small").to_be_bytes());
    body.extend(b"\x64data\x58");
    body.push(u8::try_from(end - off).expect("short"));
    body.extend(&image[off..end]);
    body.extend(b"\x64slot\x01");
    let [group, command] = [[1, 1], [1, 1], [1, 5], [1, 0], [0, 0], [0, 6]][rng.index(6)];
    let operation = [2, 2, 2, 0][rng.index(4)];
    let len = u8::try_from(body.len()).expect("short");
    let version = 8 * (rng.byte() & 1);
    let mut message = vec![
        operation | version,
        0,
        0,
        len,
        0,
        group,
        rng.byte(),
        command,
    ];
    message.extend(body);
    message
}

#[test]
fn random_bytes_do_no_harm() {
    let mut memory = vec![0; MEMORY_LEN];
    for seed in first_seed()..first_seed() + 300 {
        let mut rng = Rng::new(seed);
        let mut input = bytes(&mut rng, 600);
        input.insert(0, rng.byte());
        assert_eq!(run(&mut memory, &input), Ok(()), "OTARU_SEED={seed}");
    }
}

#[test]
fn damaged_requests_do_no_harm() {
    let mut memory = vec![0; MEMORY_LEN];
    for seed in first_seed()..first_seed() + 300 {
        let mut rng = Rng::new(seed);
        let choice = rng.byte();
        let mut input = vec![choice];
        for _ in 0..rng.below(40) {
            let mut message = request(&mut rng);
            for _ in 0..rng.below(3) {
                let at = rng.index(message.len());
                message[at] ^= 1 << rng.below(8);
            }
            if choice & 4 == 0 {
                input.extend(framed(&message));
            } else {
                let len = u16::try_from(message.len()).expect("short");
                input.extend(len.to_le_bytes());
                input.extend(message);
            }
        }
        assert_eq!(run(&mut memory, &input), Ok(()), "OTARU_SEED={seed}");
    }
}

#[test]
fn memory_that_is_too_short_is_said_so() {
    assert_eq!(run(&mut [0; 100], &[]), Err(Violation::Memory));
}
