-- What plugins decided about where a recipient's copy goes, beside `via`.

ALTER TABLE recipient ADD COLUMN mailbox TEXT;  -- the mailbox for whom mail is kept here; INBOX where it is null

-- What plugins noted about a message: an object of texts, in JSON.
ALTER TABLE message ADD COLUMN tags TEXT;
