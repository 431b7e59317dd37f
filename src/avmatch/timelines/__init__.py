"""What editors' programs open: one exact model of a shoot (shoot.py), and a module a format.

    pairs → lay_out → Timeline → document

Times are fractions. On the timeline every clip and every piece of sound begins and ends at a frame; what is less than a
frame is in the place where a sound is entered, in samples. A format that can say it is exact; one that counts frames
rounds it, and export says by how much.
"""
