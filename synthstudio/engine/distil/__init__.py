"""Small sets that still teach: networks, selection, matching and the judge."""
