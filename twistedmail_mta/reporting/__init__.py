"""Reports that other domains ask for: counted while mail is served, sent once a day."""
