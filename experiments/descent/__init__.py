"""Four networks race on one picture."""
