-- Accounts, their credentials, and the addresses they may send as.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: a remembered login must not fit a later account
    address TEXT NOT NULL UNIQUE,         -- the login name: local part lowered, domain as A-labels
    enabled INTEGER NOT NULL,
    protocols TEXT NOT NULL,              -- names separated by spaces
    credential_version INTEGER NOT NULL,  -- raised with every change of the password
    password_hash TEXT,                   -- argon2id, or another server's {SCHEME}hash; null: another checker judges
    scram_salt BLOB,                      -- the keys of SCRAM-SHA-256; all null when the password was never seen
    scram_iterations INTEGER,
    scram_stored_key BLOB,
    scram_server_key BLOB,
    created_at REAL NOT NULL              -- seconds since the epoch
) STRICT;

CREATE TABLE login_changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL               -- raised when a login that was good may be good no more
) STRICT;
INSERT INTO login_changes (id, number) VALUES (1, 0);

CREATE TRIGGER login_changed AFTER UPDATE OF enabled, protocols, credential_version ON accounts
BEGIN
    UPDATE login_changes SET number = number + 1;
END;

CREATE TRIGGER login_removed AFTER DELETE ON accounts
BEGIN
    UPDATE login_changes SET number = number + 1;
END;

CREATE TABLE send_as (
    account INTEGER NOT NULL REFERENCES accounts (id),
    pattern TEXT NOT NULL,                -- user@domain, *@domain or <>
    PRIMARY KEY (account, pattern)
) STRICT, WITHOUT ROWID;
