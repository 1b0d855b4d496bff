"""Kodak: the best picture per second, see README.md."""
