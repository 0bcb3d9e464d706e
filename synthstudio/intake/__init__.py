"""Bring other people's files in: find the images in a source, decode each one safely. Knows no Step."""
