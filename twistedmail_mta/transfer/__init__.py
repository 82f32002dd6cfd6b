"""Mail brought from other servers' files, and put into such files."""
