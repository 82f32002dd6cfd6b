"""The composition root: makes every part of a site and hands them to each other.

The only package that names concrete classes.
"""
