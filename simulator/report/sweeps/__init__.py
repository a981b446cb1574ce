"""A multirun as a table and a page."""
