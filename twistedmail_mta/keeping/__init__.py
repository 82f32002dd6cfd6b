"""Backups of a site, and what brings them back."""
