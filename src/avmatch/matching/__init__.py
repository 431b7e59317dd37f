"""Scores of pairs → who belongs to whom: fusion of cues, one-to-one assignment, confidence."""
