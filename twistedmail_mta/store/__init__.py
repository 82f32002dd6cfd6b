"""Durable rows and bodies: the only place that opens a database or writes a body."""
