"""The market event simulator: a declared market, a compiler, a producer runtime, and exact answers."""
