"""Events as bytes and data frames."""
