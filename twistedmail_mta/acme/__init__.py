"""Certificates that an authority issues by itself (RFC 8555): asked for, answered for, kept and renewed."""
