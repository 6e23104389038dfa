-- Times are milliseconds since 1970, UTC. Hashes of secrets are SHA-256.

CREATE TABLE workspaces (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,       -- the lowest is the DDI tenant DEFAULT
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    gateway_token_hash BLOB,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE admin_links (
    token_hash BLOB PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- the key that opened it and with which it ends; NULL: the admin link
    api_key TEXT REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    public_key BLOB NOT NULL,                    -- Ed25519, 32 bytes
    development INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (workspace, public_key)
) STRICT;

CREATE TABLE fleets (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (workspace, name)
) STRICT;

CREATE TABLE devices (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    fleet TEXT NOT NULL REFERENCES fleets (id),
    controller_id TEXT NOT NULL,                 -- name in the DDI path; `id` for provisioned ones
    name TEXT NOT NULL,
    token_hash BLOB,                             -- none: only the gateway token speaks for it
    approved INTEGER NOT NULL,
    kind TEXT NOT NULL DEFAULT 'unknown',        -- unknown, otaru, foreign
    wants_config INTEGER NOT NULL DEFAULT 1,
    version TEXT,
    digest TEXT,
    board TEXT,
    boot_version TEXT,
    attributes TEXT NOT NULL DEFAULT '{}',
    installed INTEGER,                           -- DDI id of the attempt that succeeded last
    address TEXT,
    created_at INTEGER NOT NULL,
    first_seen INTEGER,
    last_seen INTEGER,
    UNIQUE (workspace, controller_id)
) STRICT;
CREATE INDEX devices_by_fleet ON devices (fleet);

CREATE TABLE firmwares (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (workspace, name)
) STRICT;

CREATE TABLE versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,       -- software module id in DDI
    id TEXT NOT NULL UNIQUE,
    firmware TEXT NOT NULL REFERENCES firmwares (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    is_foreign INTEGER NOT NULL,
    board TEXT,
    security_counter INTEGER,
    signing_key TEXT,                            -- public key in hex; stays when the ring changes
    uploaded_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,                          -- the row stays: an identifier is never reused
    UNIQUE (firmware, version)
) STRICT;

CREATE TABLE artifacts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES versions (seq) ON DELETE CASCADE,
    component TEXT NOT NULL,                     -- image; later vm, bytecode
    slot TEXT NOT NULL,                          -- any, or the slot it is linked for
    file_name TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    sha1 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    UNIQUE (version, component, slot),
    UNIQUE (version, file_name)
) STRICT;
CREATE INDEX artifacts_by_sha256 ON artifacts (sha256);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    firmware TEXT NOT NULL REFERENCES firmwares (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file_name TEXT NOT NULL,
    is_foreign INTEGER NOT NULL,
    uploaded_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (firmware, version, sha256)
) STRICT;

CREATE TABLE deployments (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    version INTEGER NOT NULL REFERENCES versions (seq),
    target TEXT NOT NULL,                        -- JSON, as it was asked for
    deadline_s INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deployments_by_workspace ON deployments (workspace, created_at);

CREATE TABLE actions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,       -- the oldest open one of a device comes first
    id TEXT NOT NULL UNIQUE,
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    device INTEGER NOT NULL REFERENCES devices (seq) ON DELETE CASCADE,
    from_version TEXT,
    already_running INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    retries_left INTEGER NOT NULL,
    trial_proven INTEGER NOT NULL,
    cancel TEXT NOT NULL,                        -- no, offered, withheld
    cancel_from TEXT,
    late INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    phase TEXT,
    percent INTEGER,
    cause TEXT,
    message TEXT,
    wake_at INTEGER,
    is_open INTEGER NOT NULL,                    -- 1 until the newest attempt has ended
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX open_actions ON actions (device, seq) WHERE is_open = 1;
CREATE INDEX waking_actions ON actions (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX actions_by_deployment ON actions (deployment, seq);
CREATE INDEX actions_by_device ON actions (device, seq);

CREATE TABLE attempts (
    ddi_id INTEGER PRIMARY KEY AUTOINCREMENT,
    action INTEGER NOT NULL REFERENCES actions (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    status TEXT NOT NULL,
    cause TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (action, number)
) STRICT;

CREATE TABLE transitions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    attempt INTEGER NOT NULL REFERENCES attempts (ddi_id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    status TEXT NOT NULL,
    phase TEXT,
    percent INTEGER,
    cause TEXT,
    text TEXT
) STRICT;
CREATE INDEX transitions_by_attempt ON transitions (attempt, seq);

CREATE TABLE console_lines (
    attempt INTEGER NOT NULL REFERENCES attempts (ddi_id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (attempt, line)
) STRICT, WITHOUT ROWID;
