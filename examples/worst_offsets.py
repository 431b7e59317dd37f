"""Measure the offset of every video in a folder; print those that viewers would notice, worst first.

python examples/worst_offsets.py FOLDER
"""

import sys

import avmatch

results = avmatch.sync_all(sys.argv[1])
sure = [result for result in results if result.status == "ok"]
for result in sorted(sure, key=lambda result: -abs(result.offset_seconds)):
    if result.verdict != "in_sync":
        print(f"{result.offset_ms:+7.0f} ms  {result.verdict:18s}  {result.path}")
print(f"{len(sure)} of {len(results)} files could be measured with confidence")
