"""Stylised facts of a stream: measured on one-minute bars and held against published gates."""
