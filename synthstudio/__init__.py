"""SynthStudio: from a few real photos to a curated synthetic dataset and a better classifier."""

__version__ = "0.1.0"
