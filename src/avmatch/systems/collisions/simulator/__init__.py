"""A simulator of the Tilt-Bot: an object slides on a tilted tray and hits its walls."""
