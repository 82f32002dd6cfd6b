-- Keys that sign mail of hosted domains.  A generation is a key of each kind, which are used together.

CREATE TABLE dkim_key (
  domain TEXT NOT NULL,         -- in A-labels
  selector TEXT NOT NULL,       -- where the public key is: SELECTOR._domainkey.DOMAIN
  generation TEXT NOT NULL,     -- such as 2026a
  kind TEXT NOT NULL,           -- rsa or ed25519
  private BLOB,                 -- PKCS #8; gone as soon as it signs no more
  public BLOB NOT NULL,         -- what p= says, before base64
  state TEXT NOT NULL,          -- made, published, signing, retired, gone
  made_at REAL NOT NULL,
  changed_at REAL NOT NULL,     -- when it came into this state
  PRIMARY KEY (domain, selector)
) STRICT;
