"""The learned systems, one folder each."""
