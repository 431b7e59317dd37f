"""A simulator of the Tilt-Bot: an object slides on a tilted tray and hits its walls, filmed and recorded.

world       the tray, ten objects, where they start and how they move
recording   what the camera and the microphones record of a motion
folder      whole sets in the layout of the real one, with their truth
"""
