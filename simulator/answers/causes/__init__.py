"""Why results differ: what they would be after each mistake that jobs make, and which of them explains the difference best."""
