"""The cues room."""
