-- Mail at rest: mailboxes and what is in them, after the model of IMAP (RFC 9051).
--
-- Times are seconds since the epoch.

CREATE TABLE mailbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice; RFC 8474's MAILBOXID is made of it
    account       INTEGER NOT NULL REFERENCES accounts (id),
    name          TEXT NOT NULL,                 -- "/" separates levels; INBOX in capitals
    uid_validity  INTEGER NOT NULL,
    uid_next      INTEGER NOT NULL DEFAULT 1,
    modseq        INTEGER NOT NULL DEFAULT 1,    -- RFC 7162's HIGHESTMODSEQ: one more with every change of what is inside
    flags_modseq  INTEGER NOT NULL DEFAULT 1,    -- the last change of flags: whoever knows that knows all flags
    forgotten     INTEGER NOT NULL DEFAULT 1,    -- which UIDs vanished is known of the changes after this one
    special_use   TEXT,                          -- RFC 6154's attribute, such as \Sent
    messages      INTEGER NOT NULL DEFAULT 0,
    octets        INTEGER NOT NULL DEFAULT 0     -- of all messages, as they are sent
) STRICT;

CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);

CREATE TABLE uid_validity (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL                        -- the greatest that was given to any mailbox
) STRICT;

INSERT INTO uid_validity (one, last) VALUES (1, 0);

-- What an account uses.
CREATE VIEW usage AS
SELECT account, sum(octets) AS octets, sum(messages) AS messages FROM mailbox GROUP BY account;

-- A message in a mailbox: what changes, narrow, since STORE may rewrite all of it.
CREATE TABLE mail (
    mailbox INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    modseq  INTEGER NOT NULL,
    flags   INTEGER NOT NULL,                    -- bits: 0 to 4 are RFC 9051's, the others stand in `keyword`
    content INTEGER NOT NULL,
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;

-- What never changes of it.  RFC 8474's EMAILID is made of the content's id and the prefix.
CREATE TABLE arrival (
    mailbox       INTEGER NOT NULL,
    uid           INTEGER NOT NULL,
    size          INTEGER NOT NULL,              -- octets as it is sent: prefix, header and body
    internal_date INTEGER NOT NULL,
    saved_at      INTEGER NOT NULL,              -- when it came into this mailbox (RFC 8514)
    thread        INTEGER,                       -- RFC 8474's THREADID, where it is known
    prefix        BLOB NOT NULL,                 -- Return-Path and Delivered-To, before the header
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;

-- What POP3 calls a message that was brought from another server (RFC 1939's UIDL).
CREATE TABLE uidl (
    mailbox INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    uidl    TEXT NOT NULL,
    PRIMARY KEY (mailbox, uid)
) STRICT, WITHOUT ROWID;

-- What all mailboxes that have a message share.
CREATE TABLE content (
    id        INTEGER PRIMARY KEY,               -- the id of the message that brought it
    refs      INTEGER NOT NULL CHECK (refs > 0), -- rows of `mail`, and what `released` says
    body      INTEGER NOT NULL,                  -- holds one of the body's references
    envelope  BLOB NOT NULL,                     -- ENVELOPE and BODYSTRUCTURE, ready to send
    structure BLOB NOT NULL,
    parts     BLOB NOT NULL,                     -- where every part lies
    header    BLOB NOT NULL
) STRICT;

-- References given up by messages that were removed; the contents follow in slices.
CREATE TABLE released (
    content INTEGER PRIMARY KEY,
    refs    INTEGER NOT NULL
) STRICT;

-- Which UIDs are gone, for clients that were away (RFC 7162's VANISHED).
CREATE TABLE vanished (
    mailbox   INTEGER NOT NULL,
    modseq    INTEGER NOT NULL,
    first_uid INTEGER NOT NULL,
    last_uid  INTEGER NOT NULL,
    PRIMARY KEY (mailbox, modseq, first_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE keyword (
    mailbox INTEGER NOT NULL,
    bit     INTEGER NOT NULL CHECK (bit BETWEEN 5 AND 62),
    name    TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (mailbox, bit),
    UNIQUE (mailbox, name)
) STRICT, WITHOUT ROWID;

-- A mailbox as it was at a MODSEQ: packed arrays, little-endian, so that opening needn't read its rows.
CREATE TABLE snapshot (
    mailbox  INTEGER PRIMARY KEY,
    modseq   INTEGER NOT NULL,
    uid_next INTEGER NOT NULL,
    uids     BLOB NOT NULL,                      -- 4 octets each
    modseqs  BLOB NOT NULL,                      -- 8
    flags    BLOB NOT NULL,                      -- 8
    sizes    BLOB NOT NULL                       -- 8
) STRICT;

-- Names that an account subscribed to; a name stays when its mailbox goes (RFC 9051 section 6.3.7).
CREATE TABLE subscription (
    account INTEGER NOT NULL REFERENCES accounts (id),
    name    TEXT NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- Mailboxes that have a spooled message already, of one recipient that stands for many.
CREATE TABLE delivered (
    message INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    account INTEGER NOT NULL,
    mailbox TEXT NOT NULL,
    PRIMARY KEY (message, n, account, mailbox)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER delivered_by_all AFTER DELETE ON message
BEGIN
    DELETE FROM delivered WHERE message = OLD.id;
END;
