"""Mail at rest: mailboxes, their messages, and the views that sessions share."""
