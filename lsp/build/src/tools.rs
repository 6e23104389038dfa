//! Asks other programs who they are.

use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// The first line that a program prints, if it runs and succeeds.
pub async fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    first_line_in(Path::new("."), program, arguments).await
}

/// The same in a folder, which may decide which program it is.
pub async fn first_line_in(folder: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}
