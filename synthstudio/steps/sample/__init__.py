"""Make synthetic images, each with its own seed and provenance."""
