-- TLS sessions with the mail hosts of other domains, until they are reported (RFC 8460).

CREATE TABLE tls_day (
    id         INTEGER PRIMARY KEY,
    day        INTEGER NOT NULL,           -- days since the epoch, UTC
    domain     TEXT NOT NULL,              -- whose mail it was, in A-labels
    policy     TEXT NOT NULL,              -- what was demanded, as JSON
    successful INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    details    INTEGER NOT NULL DEFAULT 0, -- rows in tls_failure
    UNIQUE (day, domain, policy)
) STRICT;

CREATE TABLE tls_failure (
    day_id   INTEGER NOT NULL,
    failure  TEXT NOT NULL,                -- what was wrong where, as JSON
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day_id, failure)
) STRICT, WITHOUT ROWID;
