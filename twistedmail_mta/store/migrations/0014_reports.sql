-- Reports that are due to others once a day: which days are laid out, what of them is still to be made or posted.

CREATE TABLE report_day (
    kind TEXT NOT NULL,
    day  INTEGER NOT NULL,                       -- days since the epoch, UTC
    PRIMARY KEY (kind, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE report_due (
    kind    TEXT NOT NULL,
    day     INTEGER NOT NULL,
    subject TEXT NOT NULL,                       -- what it is about, mostly a domain
    due_at  REAL NOT NULL,                       -- seconds since the epoch
    tries   INTEGER NOT NULL,                    -- that came to nothing
    PRIMARY KEY (kind, day, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX report_due_at ON report_due (due_at);

CREATE TABLE report_post (
    id           INTEGER PRIMARY KEY,
    url          TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body         BLOB NOT NULL,
    begun_at     REAL NOT NULL,
    due_at       REAL NOT NULL,
    tries        INTEGER NOT NULL
) STRICT;

CREATE INDEX report_post_due_at ON report_post (due_at);
