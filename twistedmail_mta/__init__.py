"""A mail transfer agent on Twisted: SMTP in, a durable queue, SMTP out."""
