"""Weights to start fits from."""
