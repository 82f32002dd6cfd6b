"""The `mta` command: what operators do, while the server runs and while it doesn't."""
