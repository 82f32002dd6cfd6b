"""Where mail goes and how it gets there: routes, MX hosts, connections, outcomes."""
