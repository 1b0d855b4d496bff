"""Whether it helps to fit another picture first."""
