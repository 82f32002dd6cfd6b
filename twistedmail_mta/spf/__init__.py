"""SPF (RFC 7208): records and macros as values, and `check_host` as a coroutine over a lookup that it is given."""
