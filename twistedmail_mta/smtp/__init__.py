"""SMTP without input or output: grammar, and the two ends of a session as state machines."""
