"""What others report of our mail, and of TLS on its way here: read out of a mailbox, kept, summed up."""
