"""The little HTTP that a mail server needs: one request of a stranger, one answer that is ready, and the end."""
