"""The nouns and the clock: samples, frames, features, results, seconds, errors. Imports nothing of ours."""
