# SPDX-License-Identifier: MIT
"""numpy: arrays of up to 4 MB that come and go, as expressions over columns of data make them."""
import sys

import numpy

rng = numpy.random.default_rng(1)
data, total = rng.random((700, 700)), 0.0
for turn in range(240 // int(sys.argv[1])):
    side = 200 + 37 * turn % 500
    scaled = data[:side, :side] * 1.5 + numpy.sqrt(data[:side, :side])
    centred = scaled.T - scaled.mean(axis=0)
    total += float((centred * centred).sum()) + float(numpy.concatenate([scaled, centred]).max())
print(round(total, 3))
