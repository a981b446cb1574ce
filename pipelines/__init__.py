"""Spark: runs the aggregation of any plan file. Never imports `simulator`, and knows no metric or column by name."""
