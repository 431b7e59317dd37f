"""When somebody speaks: voice activity, from the spectrum that every sound's features have anyway.

Lips say nothing of drums. The cues that look at faces count only where this detector hears a voice; without one they
abstain. It is a small convolutional network over sixteen bands, 25 answers a second, each from about one and a half
seconds of sound.

Its labels are the answers of Silero VAD (snakers4/silero-vad, MIT) to speech alone; the network hears the same speech
among noise, music, machines and strokes. `python benchmarks/voice.py` trains it; the card has what it reached.
"""

KINDS = ("voice",)
