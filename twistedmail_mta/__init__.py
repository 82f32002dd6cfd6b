"""A mail server on Twisted: SMTP and LMTP in, mailboxes and a durable queue, POP3 and SMTP out."""
