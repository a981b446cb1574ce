"""The market model: from a plan and a seed to columns of events."""
