"""What became of each message, and why: noted beside the mail, and found again."""
