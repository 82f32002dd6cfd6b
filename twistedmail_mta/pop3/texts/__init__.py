"""What a POP3 server says, in languages other than English."""
