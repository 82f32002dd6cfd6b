"""IMAP as octets and values: names, sets, commands (RFC 9051, RFC 3501); no Twisted."""
