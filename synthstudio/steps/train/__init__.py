"""Train classifiers on real, synthetic or both."""
