-- Encrypted images. A key of the ring has 32 bytes (Ed25519) or 33 (P-256: 02 or 03, then x).

ALTER TABLE versions ADD COLUMN encryption TEXT;     -- aes-128, aes-256; NULL: plain text
