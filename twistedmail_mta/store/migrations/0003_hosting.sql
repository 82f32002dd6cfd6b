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
