"""Bring real images in and split them honestly."""
