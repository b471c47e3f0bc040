"""Images for the planted-fault benchmark: leaves in sun and shade, clothes hung before a wall, a meter's digits, heart beats on paper, land seen
from any height. Needs NumPy, and some Pillow, which are imported where they are used, so that the other sources do without."""
import glob
import math
import os
import random

import plant
from natural import beam, grey, plane, relief, written

# ---- leaves ----

LEAVES = [  # length by width, lobes, how deep they are cut, teeth, hue of green in yellow
    (1.0, 0, 0.0, 0, 0.45),    # round
    (2.4, 0, 0.0, 0, 0.35),    # lance
    (1.0, 5, 0.42, 0, 0.5),    # maple
    (1.6, 7, 0.22, 0, 0.4),    # oak
    (1.4, 0, 0.0, 22, 0.35),   # sawn
    (1.0, 3, 0.3, 0, 0.55),    # clover
    (1.5, 0, 0.0, 0, 0.45)]    # heart: see leaf()


def leaf(kind, draw):
    """One leaf, turned any way, on ground with stones. The sun is high or low or behind clouds, warm or cold, and half of the images have the
    shadow of something across them: that is how this set is, in both parts."""
    import numpy
    length, lobes, cut, teeth, yellow = LEAVES[kind]
    y, x = plane(32)
    at, turn, size = draw.uniform(13, 19, 2), draw.uniform(0, 2 * math.pi), draw.uniform(8, 11) / length ** 0.4
    u = ((x - at[1]) * math.cos(turn) + (y - at[0]) * math.sin(turn)) / (length * draw.uniform(0.9, 1.1))
    v = (y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)
    away, around = numpy.hypot(u, v), numpy.arctan2(v, u)
    edge = size * (1 + cut * numpy.cos(lobes * around) + (0.11 * numpy.sign(numpy.sin(teeth * around)) if teeth else 0))
    if kind == 6:
        edge = size * (0.85 - 0.55 * numpy.cos(around) * (abs(around) < 0.9) + 0.2 * numpy.cos(around))
    body = numpy.clip(edge - away + 0.5, 0, 1)
    vein = (abs(v) < 0.6) * 0.25 + 0.12 * (numpy.cos(2.2 * (abs(v) + u)) > 0.8)
    dry = numpy.clip(yellow + draw.normal(0, 0.12), 0, 1)
    bright = draw.uniform(0.5, 0.75) * (0.85 + 0.3 * relief(32, draw, (3, 8))) + 0.3 * vein
    soil, stones = draw.uniform(0.2, 0.5), relief(32, draw, (4, 12), 0.9)
    image = []
    for of_leaf, of_soil in zip((0.3 + 0.8 * dry, 0.95, 0.25), (1.05, 0.85, 0.65)):
        image.append(soil * (0.6 + 0.8 * stones) * of_soil * (1 - body) + bright * of_leaf * body)
    height, warm = draw.uniform(0.7, 1.2), draw.normal(0, 0.07)
    light = height * (1 + draw.uniform(-0.01, 0.01) * (x - 16) + draw.uniform(-0.01, 0.01) * (y - 16))
    if draw.uniform() < 0.5:
        light = light * (1 - draw.uniform(0.2, 0.5) * beam(y, x, draw.uniform(0, 32, 2), draw.uniform(0, 32, 2), draw.uniform(4, 10)))
    return b"".join(grey(255 * layer * light * (1 + warm * tone), draw, 8) for layer, tone in zip(image, (1, 0, -1)))


# ---- clothes before a wall ----

STALLS = [(0, 2, 6), (1, 3), (5, 7, 9), (8,)]  # of Fashion-MNIST: for the upper part of the body, longer ones, for the feet, bags


def stalls(folder, counts, seed):
    """Four groups of Fashion-MNIST's clothes, a piece anywhere on 32x32, from half to all of its size, lighter or darker than the wall that it
    hangs before. Needs EVENKEEL_DATA."""
    import numpy
    from PIL import Image
    draw = numpy.random.default_rng([len(STALLS), 32, seed])
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        _, pieces, of = plant.read_part(os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist"), names)
        found = [[i for i, one in enumerate(of) if one in kinds] for kinds in STALLS]
        labels, images = [int(draw.integers(len(STALLS))) for _ in range(count)], []
        for label in labels:
            piece = Image.frombytes("L", (28, 28), pieces[found[label][int(draw.integers(len(found[label])))]])
            side = int(draw.integers(16, 29))
            canvas = Image.new("L", (32, 32), 0)
            canvas.paste(piece.resize((side, side), Image.Resampling.BOX), tuple(int(n) for n in draw.integers(0, 33 - side, 2)))
            cloth = numpy.asarray(canvas, float) / 255
            cover, wall, dye = numpy.clip(4 * cloth, 0, 1), draw.uniform(60, 200), draw.uniform(90, 150) * draw.choice((-1, 1))
            dye = dye if 0 < wall + 0.7 * dye < 255 else -dye
            back = wall + 45 * (relief(32, draw, (2, 5, 12), 0.7) - 0.5)
            images.append(grey(back * (1 - cover) + (wall + dye * (0.3 + 0.7 * cloth)) * cover, draw, 10))
        plant.write_part(folder, names, (32, 32), images, labels)


# ---- a meter's digits ----

SEGMENTS = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011"]
ENDS = [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((1, 0), (2, 0)), ((1, 1), (2, 1)), ((2, 0), (2, 1))]


def meter(kind, draw):
    """A digit of seven segments, dark on a pale display, slanted; those that are off can be seen faintly, one in eight that are on is worn, and
    a piece of the next digit is at one side."""
    import numpy
    y, x = plane(20)
    high, wide, slant = draw.uniform(5.5, 7.5), draw.uniform(5, 7.5), draw.uniform(-0.05, 0.3)
    top, left, thick, off = draw.uniform(2, 18 - 2 * high), draw.uniform(4, 14 - wide), draw.uniform(1.2, 2.2), draw.uniform(0, 0.3)

    def digit(shape, start):
        total = numpy.zeros((20, 20))
        for on, ends in zip(shape, ENDS):
            (a, b), (c, d) = [(top + high * row, start + wide * column + slant * high * (1 - row)) for row, column in ends]
            strength = off if on == "0" else draw.uniform(0.35, 0.6) if draw.uniform() < 0.125 else 1
            total = numpy.maximum(total, strength * beam(y, x, (a, b), (c, d), thick))
        return total

    ink = numpy.maximum(digit(SEGMENTS[kind], left), digit(SEGMENTS[int(draw.integers(10))], left + draw.choice((-1, 1)) * (wide + 4.5)))
    display = draw.uniform(130, 210) + 20 * (relief(20, draw, (2, 4)) - 0.5)
    return grey(display - draw.uniform(50, 110) * ink, draw, 15)


# ---- heart beats ----

BEATS = 6


def waves(kind, draw):
    """(when, how high, how wide) of each wave of a beat: regular, no first wave, wide, the last one upside down, raised behind the peak, early."""
    first, peak, last = (-0.2, 0.16, 0.035), (0, draw.uniform(0.8, 1.1), 0.018), (0.3, draw.uniform(0.22, 0.34), 0.06)
    dips = [(-0.04, -0.14, 0.014), (0.045, draw.uniform(-0.3, -0.18), 0.016)]
    if kind == 1:
        return [peak, last] + dips
    if kind == 2:
        return [first, (0, peak[1] * 0.9, 0.065), (0.15, -0.25, 0.05), last]
    if kind == 3:
        return [first, peak, (last[0], -last[1], last[2])] + dips
    if kind == 4:
        return [first, peak, (0.14, draw.uniform(0.22, 0.32), 0.09), last] + dips[:1]
    return [first, peak, last] + dips


def beat(kind, draw):
    """Two beats drawn across squared paper by a pen; the second of the last kind comes early. The trace wanders and trembles."""
    import numpy
    y, x = plane(28)
    t, pace = numpy.linspace(0, 1, 140), draw.uniform(0.5, 0.58)
    start = draw.uniform(0.2, 0.3)
    trace = 0.06 * numpy.sin(2 * math.pi * (t * draw.uniform(0.5, 1.2) + draw.uniform())) + draw.normal(0, 0.015, t.shape)
    for begin in (start, start + pace * (draw.uniform(0.62, 0.72) if kind == 5 else 1)):
        for when, height, width in waves(kind, draw):
            trace = trace + height * numpy.exp(-((t - begin - 0.8 * when) / width) ** 2 / 2)
    row, gain = draw.uniform(17, 20), draw.uniform(10, 13)
    away = numpy.hypot(y[..., None] - row + gain * trace, x[..., None] - 27 * t).min(axis=-1)
    ink = numpy.clip(draw.uniform(0.5, 1) + 0.5 - away, 0, 1) * draw.uniform(0.7, 1)
    paper = draw.uniform(170, 230) + 10 * (relief(28, draw, (2, 5)) - 0.5)
    lines = int(draw.integers(5))
    paper[lines::5] -= 22
    paper[:, int(draw.integers(5))::5] -= 22
    return grey(paper * (1 - ink) + draw.uniform(20, 70) * ink, draw, 9)


# ---- land from any height ----

FLIGHTS = ["Forest", "HerbaceousVegetation", "Highway", "Industrial", "PermanentCrop", "Residential", "River", "SeaLake"]


def flights(folder, counts, seed):
    """Eight of EuroSAT's classes, of each image a square of 32 to 64 pixels a side, turned by any number of quarters, made 32x32, in haze of some
    thickness. Needs EVENKEEL_DATA."""
    from PIL import Image
    draw = random.Random(f"flights/{seed}")
    for names, part in ((plant.TRAIN, "train"), (plant.TEST, "val")):
        found = []
        for label, kind in enumerate(FLIGHTS):
            for path in sorted(glob.glob(os.path.join(os.environ["EVENKEEL_DATA"], "eurosat", part, kind, "*"))):
                image, side = Image.open(path).convert("RGB"), draw.randint(32, 64)
                left, top = draw.randint(0, 64 - side), draw.randint(0, 64 - side)
                piece = image.crop((left, top, left + side, top + side)).resize((32, 32), Image.Resampling.BOX).rotate(90 * draw.randrange(4))
                haze = draw.uniform(0, 0.25)
                piece = Image.blend(piece, Image.new("RGB", (32, 32), (180, 190, 205)), haze)
                found.append((b"".join(channel.tobytes() for channel in piece.split()), label))
        draw.shuffle(found)
        plant.write_part(folder, names, (3, 32, 32), [image for image, _ in found], [label for _, label in found])


DRAWN = {"leaves": written(len(LEAVES), (3, 32, 32), leaf), "stalls": stalls, "meters": written(len(SEGMENTS), (20, 20), meter),
         "beats": written(BEATS, (28, 28), beat), "flights": flights}
