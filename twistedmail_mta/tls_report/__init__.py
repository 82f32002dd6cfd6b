"""SMTP TLS reports (RFC 8460): who wants them, and what they say, as values."""
