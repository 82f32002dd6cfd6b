"""Configurations of other servers, turned into a site file, accounts and aliases, and what couldn't be (PURE)."""
