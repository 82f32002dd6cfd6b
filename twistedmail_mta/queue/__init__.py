"""When mail goes out: claims, lanes, retries, and reports to senders."""
