"""Postfix: main.cf, master.cf and lookup tables (PURE)."""
