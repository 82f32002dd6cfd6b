"""SASL (RFC 4422) without input or output: the server's exchange, the client's, and the preparation of passwords."""
