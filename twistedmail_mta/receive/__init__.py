"""The way in: from a client's socket to a message on disk."""
