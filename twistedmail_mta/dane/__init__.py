"""DANE (RFC 6698, RFC 7671, RFC 7672): TLSA records, and which certificates they mean."""
