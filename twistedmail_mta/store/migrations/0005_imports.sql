-- Messages that were brought from elsewhere, so that an import which is repeated brings none twice.

CREATE TABLE imported (
    mailbox INTEGER NOT NULL,
    source  TEXT NOT NULL,                       -- the unique name of a Maildir's file, or a hash of what an mbox has
    PRIMARY KEY (mailbox, source)
) STRICT, WITHOUT ROWID;
