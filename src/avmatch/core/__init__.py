"""The nouns and the clock: what every other room speaks in. Imports nothing of ours."""
