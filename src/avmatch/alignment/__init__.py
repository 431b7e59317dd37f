"""The offset between two streams, and how sure it is."""
