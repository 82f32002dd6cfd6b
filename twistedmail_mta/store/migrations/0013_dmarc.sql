-- What DMARC found of mail that came, by the domain whose policy applies, until it is reported (RFC 9990).

CREATE TABLE dmarc_day (
    id        INTEGER PRIMARY KEY,
    day       INTEGER NOT NULL,            -- days since the epoch, UTC
    domain    TEXT NOT NULL,               -- where the policy was found, in A-labels
    published TEXT NOT NULL,               -- what it said last, as JSON
    cases     INTEGER NOT NULL DEFAULT 0,  -- rows in dmarc_case
    mails     INTEGER NOT NULL DEFAULT 0,  -- messages that were no reports themselves
    left_out  INTEGER NOT NULL DEFAULT 0,  -- messages that there was no room for
    UNIQUE (day, domain)
) STRICT;

CREATE TABLE dmarc_case (
    day_id INTEGER NOT NULL,
    text   TEXT NOT NULL,                  -- all that the report says of a message, as JSON
    count  INTEGER NOT NULL,               -- of such messages
    PRIMARY KEY (day_id, text)
) STRICT, WITHOUT ROWID;
