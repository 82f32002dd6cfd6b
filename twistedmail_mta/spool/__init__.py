"""Mail this host has accepted and not yet settled."""
