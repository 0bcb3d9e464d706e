"""Measure on untouched real images."""
