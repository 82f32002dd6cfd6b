-- Reports that others send: about mail in our domains' names (RFC 9990), and about TLS on its way here (RFC 8460).

CREATE TABLE received_report (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('dmarc', 'tls')),
    domain       TEXT NOT NULL,                  -- whose mail it is about, in A-labels
    organization TEXT NOT NULL,                  -- who made it, as they call themselves
    report_id    TEXT NOT NULL,
    contact      TEXT NOT NULL,
    begins_at    INTEGER NOT NULL,               -- the time it is about, in seconds since the epoch
    ends_at      INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    author       TEXT NOT NULL,                  -- the domain in From of the mail that brought it
    proof        TEXT NOT NULL CHECK (proof IN ('pass', 'fail', 'none', 'unknown')),  -- whether a signature of theirs verified
    signer       TEXT NOT NULL,                  -- whose signature it was; empty without
    detail       TEXT NOT NULL,                  -- what else it says as a whole, as JSON
    lines        INTEGER NOT NULL,
    complete     INTEGER NOT NULL CHECK (complete IN (0, 1))  -- all its lines are here; until then it doesn't count
) STRICT;

-- A report counts once; who can't prove to be the same sender can't take its place beforehand.
CREATE UNIQUE INDEX received_report_once ON received_report (kind, domain, organization, report_id, signer);
CREATE INDEX received_report_ends ON received_report (ends_at);
CREATE INDEX received_report_signer ON received_report (signer, domain, received_at);

-- Messages that are alike, of a report about DMARC.
CREATE TABLE received_case (
    report      INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    source      TEXT NOT NULL,                   -- the client's address
    messages    INTEGER NOT NULL,
    disposition TEXT NOT NULL,
    dkim        TEXT NOT NULL,                   -- 'pass' if a signature is aligned and verifies
    spf         TEXT NOT NULL,                   -- 'pass' if the sender is aligned and SPF passes
    author      TEXT NOT NULL,                   -- the domain in From
    detail      TEXT NOT NULL,                   -- the rest, as JSON
    PRIMARY KEY (report, n)
) STRICT, WITHOUT ROWID;

-- Sessions that are alike, of a report about TLS.
CREATE TABLE received_session (
    report      INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    policy_type TEXT NOT NULL,
    policy      TEXT NOT NULL,                   -- the domain of the policy
    mx_host     TEXT NOT NULL,                   -- empty where it isn't said
    result      TEXT NOT NULL,                   -- empty: as the policy demands
    sessions    INTEGER NOT NULL,
    detail      TEXT NOT NULL,                   -- the rest, as JSON
    PRIMARY KEY (report, n)
) STRICT, WITHOUT ROWID;

-- How many lines there are of all reports.
CREATE TABLE received_lines (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    lines INTEGER NOT NULL
) STRICT;

INSERT INTO received_lines (one, lines) VALUES (1, 0);

CREATE TRIGGER received_report_begun AFTER INSERT ON received_report
BEGIN
    UPDATE received_lines SET lines = lines + NEW.lines;
END;

CREATE TRIGGER received_report_gone AFTER DELETE ON received_report
BEGIN
    UPDATE received_lines SET lines = lines - OLD.lines;
    DELETE FROM received_case WHERE report = OLD.id;
    DELETE FROM received_session WHERE report = OLD.id;
END;

-- How far the mailboxes that reports come to were read.
CREATE TABLE report_mailbox (
    mailbox INTEGER PRIMARY KEY,
    read_to INTEGER NOT NULL                     -- UIDs below it were looked at
) STRICT;
