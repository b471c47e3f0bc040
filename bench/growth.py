#!/usr/bin/env python3
"""How speed and memory grow: images/s over batch size, over cores, over image size, by `evenkeel bench`; device memory
over batch size. Writes bench/results/growth.csv and growth.svg beside it.
Usage: growth.py [--results FOLDER] [--seconds S] [--what batch cores size] [--missing]
"""
import argparse
import csv
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
NETS = {"mlp": ("28x28x1", 1024), "small_cnn": ("28x28x1", 1024), "resnet18": ("32x32x3", 1024)}


def run(net, image, batch, threads, seconds, precision="auto"):
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(f'[model]\nname = "{net}"\n[optim]\nname = "adamw"\n[augment]\nhflip = 0.5\ncrop_padding = 2\n')
        file.flush()
        words = [os.path.join(BUILD, "evenkeel"), "bench", file.name, "--image", image, "--seconds", str(seconds), "--json",
                 f"train.batch_size={batch}", f"train.threads={threads}", f"train.precision={precision}"]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return {"net": net, "precision": found["precision"], "image": image, "batch": batch, "threads": threads,
            "images_per_second": round(found["images_per_second"], 1), "device_mib": round(found["device_bytes"] / 2**20, 2)}


def measure(args, known):
    """known: of rows that need not be measured, what, net, image, batch and threads."""
    cores = len(os.sched_getaffinity(0))

    def bench(what, net, image, batch, threads):
        if (what, net, image, str(batch), str(threads)) not in known:
            yield {"what": what, **run(net, image, batch, threads, args.seconds)}

    if "batch" in args.what:
        for net in args.nets:
            image, most = NETS[net]
            for batch in [1 << i for i in range(11) if 1 << i <= most]:
                yield from bench("batch", net, image, batch, cores)
    if "cores" in args.what:
        for net in args.nets:
            for threads in range(1, cores + 1):
                yield from bench("cores", net, NETS[net][0], 128 if net == "resnet18" else 64, threads)
    if "size" in args.what:
        for side in (16, 32, 64, 128, 224):
            for net in [net for net in ("small_cnn", "resnet18") if net in args.nets]:
                if net == "small_cnn" or side <= 64:
                    yield from bench("size", net, f"{side}x{side}x3", 64, cores)


# ---- the picture: lines over two logarithmic axes ----

COLOURS = {"mlp": "#1b6ca8", "small_cnn": "#c8553d", "resnet18": "#4a7c59"}


def panel(x0, title, unit, lines):
    """lines: name -> [(x, y)]; a picture 300 by 240 at x0."""
    import math
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    spans = []
    for axis in (0, 1):
        low, high = min(p[axis] for p in points), max(p[axis] for p in points)
        spans.append((math.log10(low) - 0.05, math.log10(high) + 0.05))

    def place(point):
        shares = [(math.log10(point[a]) - spans[a][0]) / (spans[a][1] - spans[a][0]) for a in (0, 1)]
        return x0 + 50 + 230 * shares[0], 205 - 165 * shares[1]

    out = [f'<text x="{x0 + 50}" y="22" font-weight="bold">{title}</text>',
           f'<rect x="{x0 + 50}" y="40" width="230" height="165" fill="none" stroke="#999"/>',
           f'<text x="{x0 + 280}" y="236" text-anchor="end">{unit}</text>']
    for axis in (0, 1):
        low, high = 10 ** spans[axis][0], 10 ** spans[axis][1]
        steps = (1, 2, 5) if high / low < 50 else (1,)
        for tick in [k * 10.0 ** power for power in range(-3, 8) for k in steps if low <= k * 10.0 ** power <= high]:
            x, y = place((tick if axis == 0 else points[0][0], tick if axis == 1 else points[0][1]))
            label = f"{tick:g}"
            if axis == 0:
                out.append(f'<path d="M{x:.1f} 40V205" stroke="#ddd"/><text x="{x:.1f}" y="219" text-anchor="middle">{label}</text>')
            else:
                out.append(f'<path d="M{x0 + 50} {y:.1f}H{x0 + 280}" stroke="#ddd"/><text x="{x0 + 46}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for i, (name, line) in enumerate(lines.items()):
        path = " ".join("{:.1f},{:.1f}".format(*place(point)) for point in line)
        colour = COLOURS[name.split()[0]]
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += ['<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="{}"/>'.format(*place(point), colour) for point in line]
        out.append(f'<text x="{x0 + 50 + 82 * i}" y="36" font-size="10" fill="{colour}">{name}</text>')
    return "\n".join(out)


def draw(rows, path):
    def lines(what, x, y):
        found = {}
        for row in rows:
            if row["what"] == what:
                across = int(row["image"].split("x")[0]) if x == "side" else int(row[x])
                found.setdefault(f"{row['net']} {row['precision']}", []).append((across, float(row[y])))
        return found

    panels = [panel(0, "images/s", "batch size", lines("batch", "batch", "images_per_second")),
              panel(300, "memory, MiB", "batch size", lines("batch", "batch", "device_mib")),
              panel(600, "images/s", "side of the image", lines("size", "side", "images_per_second"))]
    with open(path, "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 245" font-family="sans-serif" font-size="11">\n'
                   '<rect width="900" height="245" fill="white"/>\n' + "\n".join(panels) + "\n</svg>\n")


def write(rows, path):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results"))
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--what", nargs="+", default=["batch", "cores", "size"], choices=["batch", "cores", "size"])
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--missing", action="store_true", help="only what growth.csv has no row of")
    args = parser.parse_args()
    os.makedirs(args.results, exist_ok=True)
    path, rows = os.path.join(args.results, "growth.csv"), []
    if os.path.exists(path):
        with open(path) as file:
            rows = list(csv.DictReader(file))
    known = {(r["what"], r["net"], r["image"], r["batch"], r["threads"]) for r in rows} if args.missing else set()
    for row in measure(args, known):
        key = ("what", "net", "image", "batch", "threads", "precision")
        rows = [old for old in rows if any(str(old[k]) != str(row[k]) for k in key)] + [row]
        print(" ".join(str(value) for value in row.values()), flush=True)
        write(rows, path)  # what is cut short keeps its rows
    draw(rows, os.path.join(args.results, "growth.svg"))


if __name__ == "__main__":
    main()
