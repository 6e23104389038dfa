-- The further images in the file of a version.

ALTER TABLE versions ADD COLUMN parts TEXT;          -- JSON, as the API shows it; NULL: none
