"""MTA-STS (RFC 8461): what a domain says of its MX hosts over HTTPS, as values."""
