"""Weights that fits start from, learnt from many pictures."""
