-- Why messages wait for an operator: what plugins said when they wanted them held or quarantined.

CREATE TABLE detention (
    message INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('hold', 'quarantine')),
    reason  TEXT NOT NULL,
    plugin  TEXT NOT NULL,                       -- who asked, as the site file calls it
    since   REAL NOT NULL,
    octets  INTEGER NOT NULL                     -- of header and body
) STRICT;

CREATE INDEX detention_quarantined ON detention (since) WHERE kind = 'quarantine';

CREATE TRIGGER detention_over AFTER DELETE ON message
BEGIN
    DELETE FROM detention WHERE message = OLD.id;
END;

-- How much is in quarantine.
CREATE TABLE quarantined (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    messages INTEGER NOT NULL,
    octets   INTEGER NOT NULL
) STRICT;

INSERT INTO quarantined (one, messages, octets) VALUES (1, 0, 0);

CREATE TRIGGER quarantine_begun AFTER INSERT ON detention WHEN NEW.kind = 'quarantine'
BEGIN
    UPDATE quarantined SET messages = messages + 1, octets = octets + NEW.octets;
END;

CREATE TRIGGER quarantine_over AFTER DELETE ON detention WHEN OLD.kind = 'quarantine'
BEGIN
    UPDATE quarantined SET messages = messages - 1, octets = octets - OLD.octets;
END;
