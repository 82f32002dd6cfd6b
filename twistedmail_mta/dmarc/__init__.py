"""DMARC (RFC 9989): records, the tree walk, alignment, and what a domain wants done; no sockets, no clock."""
