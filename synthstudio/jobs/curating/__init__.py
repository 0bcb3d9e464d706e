"""What people chose: what is accepted of a run, kept as a set, compared with chance, trained by hand, taken home."""
