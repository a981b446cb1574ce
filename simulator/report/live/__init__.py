"""A run while it goes on: as a page, in the terminal, and for Prometheus. All three show what `figures` was told."""
