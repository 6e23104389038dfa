//! The demo, as a program runs it.
// Issue 2, "Shows it is done" 1: an update confirmed by the device, and one reverted.

use crate::support::Home;

#[test]
fn the_demo_shows_a_confirmed_update_and_a_reverted_one() {
    let home = Home::new();
    let ended = home.run(&["--json", "demo"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    let updates: Vec<_> = ended
        .objects()
        .into_iter()
        .filter(|object| object["type"] == "summary")
        .map(|summary| {
            let phases = summary["phases"].as_array().unwrap().len();
            assert!(phases >= 3, "{summary}");
            assert!(summary["sectors_erased"].as_u64().unwrap() > 0, "{summary}");
            assert!(
                summary["nrf52840_seconds"].as_f64().unwrap() > 0.0,
                "{summary}"
            );
            (summary["version"].clone(), summary["status"].clone())
        })
        .collect();
    assert_eq!(
        updates,
        [
            ("1.1.0+2".into(), "succeeded".into()),
            ("1.2.0+3".into(), "reverted".into())
        ]
    );
    let console: Vec<String> = ended
        .objects()
        .iter()
        .filter(|object| object["type"] == "console")
        .map(|object| object["text"].as_str().unwrap().to_owned())
        .collect();
    for version in ["Factory", "testing-1.1.0+2", "1.1.0+2"] {
        let line = format!("Firmware version: {version}");
        assert!(console.contains(&line), "{line} in {console:#?}");
    }
    // Nothing is left behind.
    let folder = ended.object("stage")["folder"].as_str().unwrap().to_owned();
    assert!(!std::path::Path::new(&folder).exists());
}
