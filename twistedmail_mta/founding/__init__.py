"""A site from nothing: where its files go, what it is called, and the texts that it begins with (PURE)."""
