//! What the manager says about the device afterwards.

use crate::{Evidence, ManagerWord};
use otaru_lsp_build::manager::ManagerClient;
use std::time::Duration;

/// How often the manager is asked until it is connected with the device again.
const ASKS_MAX: u32 = 40;
/// The pause between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Asks the manager until it says what the device says, or long enough. `None` if the device has no
/// connection that could be judged by, or the manager does not know it or does not answer.
pub async fn ask_manager(
    client: &ManagerClient,
    name: &str,
    evidence: &Evidence,
) -> Option<ManagerWord> {
    if !evidence.trace.online {
        return None;
    }
    let mut last = None;
    for _ in 0..ASKS_MAX {
        let devices = client.devices().await.ok()?;
        let device = devices.into_iter().find(|device| device.name == name)?;
        let word = ManagerWord {
            online: device.online,
            version: device.version,
        };
        let agrees = word.online && word.version == evidence.trace.running;
        last = Some(word);
        if agrees {
            break;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    last
}
