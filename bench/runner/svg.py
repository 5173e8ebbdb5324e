# SPDX-License-Identifier: MIT
"""Bar charts as SVG text, for docs/."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#bab0ac"]
WIDTH, BAR, GROUP_GAP, LEFT, TOP, HEIGHT, BOTTOM = 980, 10, 18, 56, 44, 260, 90


def text(x, y, content, size=11, anchor="start", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {extra}>'
            f"{escape(content)}</text>")


def bars(title, groups, series, value, unit):
    """Groups of bars on a logarithmic scale. value(group, name): the height and its 95 % interval or None."""
    cells = {(g, s): value(g, s) for g in groups for s in series}
    numbers = [n for cell in cells.values() if cell for n in cell if n and not math.isnan(n) and n > 0]
    if not numbers:
        return None
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    high = max(high, low + 1)
    width = max(WIDTH, LEFT + len(groups) * (len(series) * BAR + GROUP_GAP) + 20)

    def height(number):
        return (math.log10(number) - low) / (high - low) * HEIGHT

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT + BOTTOM}" '
           f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>',
           text(LEFT, 16, f"{title} ({unit}, logarithmic)", 14)]
    for power in range(low, high + 1):
        y = TOP + HEIGHT - height(10 ** power)
        out.append(f'<line x1="{LEFT}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(text(LEFT - 6, y + 4, f"{10.0 ** power:g}", 10, "end"))
    for g, group in enumerate(groups):
        left = LEFT + GROUP_GAP / 2 + g * (len(series) * BAR + GROUP_GAP)
        for s, name in enumerate(series):
            cell = cells[group, name]
            if not cell or not cell[0] or math.isnan(cell[0]):
                continue
            x, tall = left + s * BAR, max(height(cell[0]), 1)
            out.append(f'<rect x="{x:.1f}" y="{TOP + HEIGHT - tall:.1f}" width="{BAR - 1}" '
                       f'height="{tall:.1f}" fill="{COLOURS[s % len(COLOURS)]}">'
                       f'<title>{escape(f"{group} {name}: {cell[0]:.4g}")}</title></rect>')
            if len(cell) == 3 and not math.isnan(cell[1]):
                y1, y2 = (TOP + HEIGHT - height(n) for n in cell[1:])
                out.append(f'<line x1="{x + 4.5:.1f}" x2="{x + 4.5:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" '
                           f'stroke="black"/>')
        out.append(text(left, TOP + HEIGHT + 14, group, 10, "start",
                        f'transform="rotate(25 {left:.1f} {TOP + HEIGHT + 14})"'))
    for s, name in enumerate(series):
        x = LEFT + s * (width - LEFT) / len(series)
        out.append(f'<rect x="{x:.1f}" y="24" width="9" height="9" fill="{COLOURS[s % len(COLOURS)]}"/>')
        out.append(text(x + 12, 33, name, 10))
    return "\n".join(out + ["</svg>", ""])
