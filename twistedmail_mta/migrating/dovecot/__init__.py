"""Dovecot: dovecot.conf and what it includes (PURE)."""
