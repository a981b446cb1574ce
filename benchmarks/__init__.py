"""Measurements: paired, several times, medians, with the conditions beside them. `make bench`."""
