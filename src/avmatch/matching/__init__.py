"""Scores of pairs → matches: fusion of cues, confidence, one-to-one assignment."""
