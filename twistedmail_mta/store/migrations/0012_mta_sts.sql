-- MTA-STS policies of other domains (RFC 8461), as they were fetched.

CREATE TABLE mta_sts_policy (
    domain     TEXT PRIMARY KEY,                 -- in A-labels
    id         TEXT NOT NULL,                    -- of the TXT record that announced it
    text       BLOB NOT NULL,                    -- the policy itself
    fetched_at REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT;

CREATE INDEX mta_sts_policy_expires ON mta_sts_policy (expires_at);
CREATE INDEX mta_sts_policy_fetched ON mta_sts_policy (fetched_at);
