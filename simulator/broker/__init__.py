"""The embedded Apache Kafka, and what a run asks of any broker."""
