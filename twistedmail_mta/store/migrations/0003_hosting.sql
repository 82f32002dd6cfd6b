-- The domains that mail is kept for, beside those of the site file; aliases; and quotas.

CREATE TABLE domains (
    name TEXT PRIMARY KEY,                -- A-labels
    alias_of TEXT,                        -- the domain whose addresses these are; then the rest means nothing
    subaddress TEXT NOT NULL,             -- characters of which each sets off a subaddress
    case_sensitive INTEGER NOT NULL,
    quota INTEGER,                        -- octets in each account that has no quota of its own; null: no limit
    quota_messages INTEGER,
    over_quota TEXT NOT NULL CHECK (over_quota IN ('defer', 'reject'))
) STRICT, WITHOUT ROWID;

-- One row for each address that an alias leads to.
CREATE TABLE aliases (
    folded TEXT NOT NULL,                 -- `address` in the spelling of account names
    address TEXT NOT NULL,                -- as it was given, the domain as A-labels; @domain is the catch-all
    target TEXT NOT NULL,
    PRIMARY KEY (folded, address, target)
) STRICT, WITHOUT ROWID;

ALTER TABLE accounts ADD COLUMN quota INTEGER;          -- octets; null: what the domain says; 0: no limit
ALTER TABLE accounts ADD COLUMN quota_messages INTEGER;

CREATE TABLE directory_changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL               -- raised when whom an address stands for, or what it may hold, may be another
) STRICT;
INSERT INTO directory_changes (id, number) VALUES (1, 0);

CREATE TRIGGER domain_added AFTER INSERT ON domains
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER domain_changed AFTER UPDATE ON domains
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER domain_removed AFTER DELETE ON domains
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER alias_added AFTER INSERT ON aliases
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER alias_changed AFTER UPDATE ON aliases
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER alias_removed AFTER DELETE ON aliases
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER account_added AFTER INSERT ON accounts
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER account_changed AFTER UPDATE OF enabled, quota, quota_messages ON accounts
WHEN OLD.enabled <> NEW.enabled OR OLD.quota IS NOT NEW.quota OR OLD.quota_messages IS NOT NEW.quota_messages
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;

CREATE TRIGGER account_removed AFTER DELETE ON accounts
BEGIN
    UPDATE directory_changes SET number = number + 1;
END;
