"""Samples to log-mel, MFCC and onsets; frames to motion, faces and mouths: numpy and OpenCV."""
