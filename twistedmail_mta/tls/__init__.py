"""TLS: contexts, certificates, server names, reload; policy lives with those who use it."""
