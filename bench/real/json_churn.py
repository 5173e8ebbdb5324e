# SPDX-License-Identifier: MIT
"""python: encode and decode documents, keeping a few."""
import json
import random
import sys

rng = random.Random(5)
kept = []
total = 0
for turn in range(max(50 // int(sys.argv[1]), 8)):
    rows = [{"id": i, "name": "n" * rng.randrange(4, 40), "tags": ["red", "green", str(i)], "x": i / 7,
             "at": {"lat": rng.random(), "lon": rng.random()}} for i in range(2000)]
    text = json.dumps(rows)
    kept.append(json.loads(text))
    if len(kept) > 4:
        kept.pop(rng.randrange(4))
    total += len(text)
print(total)
