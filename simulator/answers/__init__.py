"""The right answers, and what they are held against."""
