"""Spark: runs the aggregation of any plan file. Knows no metric or column by name; only `generator` imports `simulator`."""
