//! The reference of the keys as Markdown, for `docs/manifest.md`.

use super::{Presence, Schema, TableDoc};

/// Every table of the file with its keys, as Markdown tables. Areas, which all have the same keys,
/// share one.
pub fn reference(schema: &Schema) -> String {
    let mut text = String::new();
    let mut tables = schema.tables.iter().peekable();
    while let Some(first) = tables.next() {
        let mut same: Vec<&TableDoc> = vec![first];
        while let Some(next) = tables.next_if(|next| next.keys == first.keys) {
            same.push(next);
        }
        for table in &same {
            text.push_str(&["**`", &table.header(), "`**: ", table.doc, "\n\n"].concat());
        }
        text.push_str("| key | holds | without it | meaning | since |\n|---|---|---|---|---|\n");
        for key in first.keys {
            let without = match key.need {
                Presence::Required => "required",
                Presence::Default(without) => without,
            };
            let row = [
                format!("`{}`", key.name),
                key.kind.in_words(),
                without.to_owned(),
                key.doc.to_owned(),
                key.since.to_owned(),
            ];
            text.push_str(&["| ", &row.join(" | "), " |\n"].concat());
        }
        text.push('\n');
    }
    text
}
