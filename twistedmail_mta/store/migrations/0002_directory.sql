-- Accounts, their credentials, and the addresses they may send as.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: a remembered login must not fit a later account
    address TEXT NOT NULL UNIQUE,         -- the login name: local part lowered, domain as A-labels
    enabled INTEGER NOT NULL,
    protocols TEXT NOT NULL,              -- names separated by spaces
    credential_version INTEGER NOT NULL,  -- raised with every change of the password
    password_hash TEXT NOT NULL,          -- argon2id with its salt and cost
    scram_salt BLOB NOT NULL,
    scram_iterations INTEGER NOT NULL,
    scram_stored_key BLOB NOT NULL,
    scram_server_key BLOB NOT NULL,
    created_at REAL NOT NULL              -- seconds since the epoch
) STRICT;

CREATE TABLE send_as (
    account INTEGER NOT NULL REFERENCES accounts (id),
    pattern TEXT NOT NULL,                -- user@domain, *@domain or <>
    PRIMARY KEY (account, pattern)
) STRICT, WITHOUT ROWID;
