"""How people get at their mail: POP3."""
