"""Scores of pairs to who belongs to whom: fusion of cues, confidence, one-to-one assignment."""
