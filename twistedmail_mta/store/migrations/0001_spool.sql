-- Mail this host has accepted and not yet settled.
--
-- Times are seconds since the epoch, except where "running time" is said: that
-- clock stands still while no server runs, so age is a plain difference.

-- One body serves everything that names it; `data` or `file` holds it.
CREATE TABLE body (
    id   INTEGER PRIMARY KEY,          -- the id of the message that brought it
    refs INTEGER NOT NULL CHECK (refs > 0),
    size INTEGER NOT NULL,
    file TEXT,
    data BLOB,
    CHECK ((file IS NULL) <> (data IS NULL))
) STRICT;

CREATE UNIQUE INDEX body_file ON body (file) WHERE file IS NOT NULL;

CREATE TABLE message (
    id            INTEGER PRIMARY KEY,
    body          INTEGER NOT NULL,
    size          INTEGER NOT NULL,    -- header and body
    received_at   REAL NOT NULL,
    sender_local  TEXT NOT NULL,
    sender_domain TEXT NOT NULL,
    eight_bit     INTEGER NOT NULL,
    smtputf8      INTEGER NOT NULL,
    ret           TEXT,
    envid         TEXT,
    auth          TEXT,
    protocol      TEXT NOT NULL,
    peer          TEXT NOT NULL,
    helo          TEXT NOT NULL,
    account       TEXT,
    listener      TEXT NOT NULL,
    header        BLOB NOT NULL
) STRICT;

CREATE TABLE recipient (
    message      INTEGER NOT NULL,
    n            INTEGER NOT NULL,     -- the place in the envelope as accepted
    local        TEXT NOT NULL,
    domain       TEXT NOT NULL,
    notify       TEXT,
    orcpt        TEXT,
    state        TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'held', 'suspended', 'failed')),
    due          REAL NOT NULL,
    since        REAL NOT NULL,        -- running time from which age counts; moved on by time on hold or suspended
    held_since   REAL,                 -- running time; of suspended ones too
    suspension   INTEGER,              -- what a suspended one waits for the end of
    owner        INTEGER,              -- who leases it
    epoch        INTEGER NOT NULL,     -- names the claim that may settle
    wish         TEXT CHECK (wish IN ('hold', 'delete', 'bounce')),
    via          TEXT,                 -- the way an operator chose instead of the site file's, and its TLS
    via_tls      TEXT,
    attempts     INTEGER NOT NULL DEFAULT 0,
    warnings     INTEGER NOT NULL DEFAULT 0,
    attempted_at REAL,                 -- the last attempt, and what it met
    code         INTEGER,
    status       TEXT,
    reply        TEXT,
    remote       TEXT,
    reason       TEXT,                 -- the class of what it met
    PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX recipient_due ON recipient (due, domain) WHERE state = 'waiting' AND owner IS NULL;
CREATE INDEX recipient_fresh ON recipient (due, domain) WHERE state = 'waiting' AND owner IS NULL AND attempts = 0;
CREATE INDEX recipient_suspended ON recipient (suspension) WHERE state = 'suspended';
CREATE INDEX recipient_failed ON recipient (message, attempted_at) WHERE state = 'failed';

-- A claim holds while its owner's row is here and its lease has not run out.
CREATE TABLE owner (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    boot        TEXT NOT NULL,         -- the run of the machine that lease_until belongs to
    process     INTEGER NOT NULL,
    heartbeat   REAL NOT NULL,
    lease_until REAL NOT NULL          -- seconds since boot, so that setting the clock ends no lease
) STRICT;

-- What operators suspended: no attempt is begun at what it names.
CREATE TABLE suspension (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind  TEXT NOT NULL CHECK (kind IN ('all', 'domain', 'lane', 'account')),
    name  TEXT NOT NULL,               -- empty for all
    since REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0   -- it goes with the last recipient that waits for its end
) STRICT;

CREATE UNIQUE INDEX suspension_name ON suspension (kind, name) WHERE NOT ended;

CREATE TABLE downtime (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    seconds REAL NOT NULL              -- how long no server ran, in all
) STRICT;

INSERT INTO downtime (one, seconds) VALUES (1, 0.0);
