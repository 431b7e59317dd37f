"""Match a folder of silent videos with a folder of recordings, and print what deserves a second look.

python examples/match_folder.py VIDEOS AUDIO OUT
"""

import sys
from pathlib import Path

import avmatch

videos, audio, out = sys.argv[1:]
result = avmatch.match(videos, audio)
for item in sorted(result.matches, key=lambda item: item.confidence):
    print(f"{item.confidence:.2f}  {item.video}  →  {item.audio or 'no partner'}")
avmatch.write_match(result, Path(out))
