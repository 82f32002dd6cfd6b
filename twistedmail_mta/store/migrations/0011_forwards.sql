-- Forwards, and the senders that are rewritten for them.

-- The domain of ours an alias of which the address stands for; null where mail is for it in its own right.
ALTER TABLE recipient ADD COLUMN forwarded_by TEXT;

-- What makes and checks the hashes in rewritten senders; one row.
CREATE TABLE srs_secret (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    secret BLOB NOT NULL
) STRICT;

-- Senders that are too long to be written out in another.
CREATE TABLE srs_sender (
    key     TEXT PRIMARY KEY,          -- stands for it
    local   TEXT NOT NULL,
    domain  TEXT NOT NULL,
    used_at REAL NOT NULL              -- seconds since the epoch, to the day: when it was rewritten last
) STRICT, WITHOUT ROWID;

CREATE INDEX srs_sender_used ON srs_sender (used_at);
