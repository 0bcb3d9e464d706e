"""Describe a whole set of images against real ones; no image is judged alone."""
