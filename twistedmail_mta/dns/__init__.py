"""Questions to the DNS: a resolver on the reactor, with dnspython as its codec."""
