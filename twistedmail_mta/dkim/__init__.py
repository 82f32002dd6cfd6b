"""DomainKeys Identified Mail (RFC 6376, 8301, 8463): canonical forms, signatures, keys; no sockets, no clock."""
