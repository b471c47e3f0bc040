"""The confusion matrix as a picture: an SVG of truth (rows) against what was said (columns). Standard library only."""

CELL, LEFT, TOP = 44, 130, 130


def draw(confusion):
    """confusion: (truth, said, runs) triples. Shares of a row are shades, counts are written."""
    counts = {(truth, said): n for truth, said, n in confusion}
    causes = sorted({name for pair in counts for name in pair}, key=lambda name: (name == "healthy", name))
    size = CELL * len(causes)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + size + 20}" height="{TOP + size + 40}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for i, truth in enumerate(causes):
        total = sum(counts.get((truth, said), 0) for said in causes)
        y = TOP + i * CELL
        parts.append(f'<text x="{LEFT - 8}" y="{y + CELL / 2 + 4}" text-anchor="end">{truth}</text>')
        x = LEFT + i * CELL + CELL / 2
        parts.append(f'<text transform="translate({x + 4},{TOP - 8}) rotate(-60)">{truth}</text>')
        for k, said in enumerate(causes):
            n = counts.get((truth, said), 0)
            share = n / total if total else 0
            colour = "#0072b2" if truth == said else "#d55e00"
            parts.append(f'<rect x="{LEFT + k * CELL}" y="{y}" width="{CELL}" height="{CELL}" fill="{colour}" '
                         f'fill-opacity="{share:.3f}" stroke="#ccc"/>')
            if n:
                ink = "white" if share > 0.6 else "black"
                parts.append(f'<text x="{LEFT + k * CELL + CELL / 2}" y="{y + CELL / 2 + 4}" text-anchor="middle" '
                             f'fill="{ink}">{n}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP + size + 24}">rows: what was planted; columns: what the doctor said; runs</text>')
    return "\n".join(parts + ["</svg>", ""])
