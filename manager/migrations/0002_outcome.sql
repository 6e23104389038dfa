-- What a device says about the install of an attempt, and how often a new firmware may be started.

ALTER TABLE attempts ADD COLUMN from_image TEXT;     -- 16 hex digits: beginning of the digest
ALTER TABLE attempts ADD COLUMN to_image TEXT;
ALTER TABLE attempts ADD COLUMN chunks INTEGER;
ALTER TABLE attempts ADD COLUMN cuts INTEGER;
ALTER TABLE attempts ADD COLUMN install_ms INTEGER;
ALTER TABLE deployments ADD COLUMN trials INTEGER;   -- NULL: as the device block says
