"""Fit the text-to-image model to the shots."""
