-- What IMAP needs of mailboxes beside what is in them: deleted ones, copies under way, and what is recent.

-- A mailbox that was deleted and isn't purged yet has a name that begins with a control character, as no other's does.
CREATE INDEX mailbox_deleted ON mailbox (id) WHERE name < ' ';

DROP VIEW usage;

CREATE VIEW usage AS
SELECT account, sum(octets) AS octets, sum(messages) AS messages FROM mailbox WHERE name >= ' ' GROUP BY account;

-- The first UID that no session was told of as recent (RFC 3501 section 2.3.2).
ALTER TABLE mailbox ADD COLUMN recent_from INTEGER NOT NULL DEFAULT 1;

-- What a copy in many transactions has put into a mailbox so far: it goes again unless the copy comes to its end.
CREATE TABLE unfinished (
    mailbox   INTEGER NOT NULL,
    first_uid INTEGER NOT NULL,
    last_uid  INTEGER NOT NULL,
    PRIMARY KEY (mailbox, first_uid)
) STRICT, WITHOUT ROWID;
