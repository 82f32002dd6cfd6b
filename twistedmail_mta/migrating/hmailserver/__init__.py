"""hMailServer: dumps of its database, and its backups (PURE)."""
