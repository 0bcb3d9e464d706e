"""Freeze a choice into an ImageSet."""
