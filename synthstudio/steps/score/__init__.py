"""Give every image numbers; judge nothing."""
