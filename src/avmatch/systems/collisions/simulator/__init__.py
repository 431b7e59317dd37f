"""A simulator of the Tilt-Bot: an object slides on a tilted tray and hits its walls, filmed and recorded.

It writes sets in the layout of the real one, which can't be downloaded any more, with their truth.
"""
