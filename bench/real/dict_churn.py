# SPDX-License-Identifier: MIT
"""python: dictionaries that grow, lose keys and are rebuilt; lists and strings beside them."""
import random
import sys

part = int(sys.argv[1])
rng = random.Random(6)
table = {}
total = 0
for i in range(400000 // part):
    key = "k%d" % rng.randrange(80000 // part)
    if key in table and i % 3 == 0:
        del table[key]
    else:
        table[key] = [i, str(i), (i, key)]
    if i % (100000 // part) == 0:
        table = {k: v for k, v in table.items() if v[0] % 2}
        total += len(table)
print(total, len(table))
