"""The Authenticated Received Chain (RFC 8617): validated and sealed, on top of DKIM; no sockets, no clock."""
