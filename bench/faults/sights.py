"""Images for the planted-fault benchmark: numbers of two handwritten digits, pieces of clothes and of land, parts on a bench under a lamp, galaxies.
Needs NumPy, and some Pillow or scikit-learn, which are imported where they are used, so that the other sources do without."""
import glob
import math
import os
import random

import plant
from natural import beam, grey, plane, relief

# ---- numbers ----

NUMBERS = 30


def numbers(folder, counts, seed):
    """00 to 29 in scikit-learn's handwritten digits, each of a writer of its own, 24x24: the first 1300 digits for training, the others
    for validation."""
    import numpy
    from PIL import Image
    from sklearn.datasets import load_digits
    draw, data = numpy.random.default_rng([NUMBERS, seed]), load_digits()
    for names, count, first, end in ((plant.TRAIN, counts[0], 0, 1300), (plant.TEST, counts[1], 1300, len(data.images))):
        of = [[i for i in range(first, end) if data.target[i] == digit] for digit in range(10)]
        labels, images = [int(draw.integers(NUMBERS)) for _ in range(count)], []
        for label in labels:
            canvas = Image.new("L", (24, 24), 0)
            for place, digit in enumerate(divmod(label, 10)):
                pixels = (data.images[of[digit][int(draw.integers(len(of[digit])))]] * 15.9).astype(numpy.uint8)
                wide, high = int(draw.integers(10, 13)), int(draw.integers(13, 21))
                canvas.paste(Image.fromarray(pixels).resize((wide, high), Image.Resampling.BICUBIC), (12 * place, int(draw.integers(24 - high + 1))))
            ink = numpy.asarray(canvas, float)
            images.append(grey(draw.uniform(10, 50) + draw.uniform(0.5, 0.8) * ink, draw, 10))
        plant.write_part(folder, names, (24, 24), images, labels)


# ---- swatches ----

SWATCHES = [(2, 3), (4, 3), (6, 2), (0, 2), (8, 1), (3, 1)]  # Fashion-MNIST's class, and how frequent it is


def swatches(folder, counts, seed):
    """16x16 pieces from about the middle of Fashion-MNIST's pullovers, coats, shirts, T-shirts, bags and dresses, the last two a third
    as frequent as the first two, in both parts. Needs EVENKEEL_DATA."""
    draw = random.Random(f"swatches/{seed}")
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        _, images, labels = plant.read_part(os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist"), names)
        found = []
        for label, (kind, share) in enumerate(SWATCHES):
            for i in draw.sample([i for i, one in enumerate(labels) if one == kind], count * share // 12):
                top, left = draw.randint(3, 9), draw.randint(3, 9)
                found.append((b"".join(images[i][r * 28 + left:r * 28 + left + 16] for r in range(top, top + 16)), label))
        draw.shuffle(found)
        plant.write_part(folder, names, (16, 16), [image for image, _ in found], [label for _, label in found])


# ---- plots ----

PLOTS = ["AnnualCrop", "HerbaceousVegetation", "PermanentCrop"]


def plots(folder, counts, seed):
    """Two quarters, 32x32 as they are, of each of EuroSAT's images of three kinds of vegetation. Needs EVENKEEL_DATA."""
    from PIL import Image
    draw = random.Random(f"plots/{seed}")
    for names, part in ((plant.TRAIN, "train"), (plant.TEST, "val")):
        found = []
        for label, kind in enumerate(PLOTS):
            for path in sorted(glob.glob(os.path.join(os.environ["EVENKEEL_DATA"], "eurosat", part, kind, "*"))):
                image = Image.open(path).convert("RGB")
                for left, top in draw.sample([(0, 0), (0, 32), (32, 0), (32, 32)], 2):
                    piece = image.crop((left, top, left + 32, top + 32))
                    found.append((b"".join(channel.tobytes() for channel in piece.split()), label))
        draw.shuffle(found)
        plant.write_part(folder, names, (3, 32, 32), [image for image, _ in found], [label for _, label in found])


# ---- parts on a bench ----

BOLTS = 8


def hull(u, v, corners, size):
    """How far inside a regular polygon around the origin each point is; below 0: outside."""
    import numpy
    return numpy.minimum.reduce([size - u * math.cos(2 * math.pi * i / corners) - v * math.sin(2 * math.pi * i / corners) for i in range(corners)])


def bolt(kind, draw):
    """A nut, a washer, a screw, a pin, a gear, a square plate, a bracket or a spring in any direction on a bench. One lamp near it lights
    it very unevenly, as the camera's exposure is: that is how this set is, in both parts."""
    import numpy
    y, x = plane(24)
    at, turn, size = draw.uniform(9, 15, 2), draw.uniform(0, 2 * math.pi), draw.uniform(6, 8.5)
    u = (x - at[1]) * math.cos(turn) + (y - at[0]) * math.sin(turn)
    v = (y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)
    away, around = numpy.hypot(u, v), numpy.arctan2(v, u)
    hole = away - size * draw.uniform(0.35, 0.5)
    inside = [lambda: numpy.minimum(hull(u, v, 6, size * 0.9), hole), lambda: numpy.minimum(size - away, hole),
              lambda: numpy.maximum(numpy.minimum(size * 0.22 - abs(v), size - abs(u)), numpy.minimum(size * 0.5 - abs(v), size * 0.25 - abs(u + size))),
              lambda: numpy.minimum(size * 0.22 - abs(v), size * 1.1 - abs(u)),
              lambda: numpy.minimum(size * (0.85 + 0.16 * numpy.sign(numpy.cos(9 * around))) - away, away - size * 0.25),
              lambda: numpy.minimum(hull(u, v, 4, size * 0.75), hole + size * 0.15),
              lambda: numpy.maximum(numpy.minimum(size * 0.2 - abs(v - size * 0.6), size * 0.8 - abs(u)), numpy.minimum(size * 0.2 - abs(u + size * 0.6), size * 0.8 - abs(v))),
              lambda: numpy.minimum(size * 0.16 - abs(v - size * 0.4 * numpy.sin(u * 9 / size)), size * 1.1 - abs(u))][kind]()
    body = numpy.clip(inside + 0.5, 0, 1)
    bench, steel = draw.uniform(0.25, 0.45) * (0.8 + 0.4 * relief(24, draw, (2, 6))), draw.uniform(0.6, 0.9) + draw.uniform(-0.02, 0.02) * u
    image = bench * (1 - body) + steel * body
    for _ in range(2):
        scratch = 0.5 * beam(y, x, draw.uniform(0, 24, 2), draw.uniform(0, 24, 2), 0.5)
        image = image * (1 - scratch) + draw.uniform(0.2, 0.8) * scratch
    lamp, reach = draw.uniform(-4, 28, 2), draw.uniform(13, 24)
    light = 0.25 + numpy.exp(-((y - lamp[0]) ** 2 + (x - lamp[1]) ** 2) / (2 * reach * reach))
    return grey(255 * image * light * math.exp(draw.normal(0, 0.3)), draw, 6)


# ---- galaxies ----

STARS = [3, 3, 2, 2, 1, 1]  # how frequent the kinds are


def star(kind, draw):
    """Elliptical, with two arms, seen from its edge, a ring, two that meet, a cluster of stars; on a dark sky with other stars."""
    import numpy
    y, x = plane(24)
    at, turn, size, tilt = draw.uniform(9, 15, 2), draw.uniform(0, 2 * math.pi), draw.uniform(2.6, 4.2), draw.uniform(0.6, 1)
    u = (x - at[1]) * math.cos(turn) + (y - at[0]) * math.sin(turn)
    v = ((y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)) / (0.2 if kind == 2 else tilt)
    away, around = numpy.hypot(u, v), numpy.arctan2(v, u)
    bulge, disc = numpy.exp(-away / (0.35 * size)), numpy.exp(-away / size)
    if kind == 1:
        wind = draw.choice((-1, 1)) * draw.uniform(2, 3)
        image = bulge + disc * (1 + 0.9 * numpy.cos(2 * around - wind * numpy.log(away + 1) * 1.6))
    elif kind == 3:
        image = 0.7 * bulge + numpy.exp(-((away - 1.7 * size) / 1.1) ** 2)
    elif kind == 4:
        other = numpy.hypot(u - size * draw.uniform(1.3, 2), v - draw.uniform(-1, 1) * size * 0.5)
        image = bulge + 0.8 * disc + 0.9 * numpy.exp(-other / (0.5 * size))
    elif kind == 5:
        image = sum(draw.uniform(0.3, 1) * numpy.exp(-((y - at[0] - a) ** 2 + (x - at[1] - b) ** 2) / 0.9) for a, b in draw.normal(0, 1.1 * size, (16, 2)))
    else:
        image = bulge + 1.1 * disc
    sky = draw.uniform(8, 25)
    for a, b in draw.uniform(0, 24, (int(draw.integers(1, 5)), 2)):
        image = image + draw.uniform(0.2, 1) * numpy.exp(-((y - a) ** 2 + (x - b) ** 2) / 0.8)
    return grey(sky + draw.uniform(70, 150) * image, draw, 11)


def drawn(make, side, frequent):
    """What writes a data set of such images, each kind as frequent as given."""
    def write(folder, counts, seed):
        import numpy
        draw = numpy.random.default_rng([side, len(frequent), seed])
        for names, count in zip((plant.TRAIN, plant.TEST), counts):
            labels = [int(label) for label in draw.choice(len(frequent), count, p=[n / sum(frequent) for n in frequent])]
            plant.write_part(folder, names, (side, side), [make(label, draw) for label in labels], labels)
    return write


DRAWN = {"numbers": numbers, "swatches": swatches, "plots": plots, "bolts": drawn(bolt, 24, [1] * BOLTS), "stars": drawn(star, 24, STARS)}
