"""IMAP: one file for each family of commands (RFC 9051 section 6)."""
