"""A dialogue that fits a picture."""
