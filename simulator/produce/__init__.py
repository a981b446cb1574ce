"""Sending events: pace, sinks, signals; all I/O and sleeping of the producer."""
