"""Who has an account here, how a login is judged, and which addresses it may send as."""
