"""Images for the planted-fault benchmark: handwriting in an invented alphabet, stained cells under a microscope, wares before a wall.
Needs NumPy, which is imported where it is used, so that the other sources do without."""
import math

from natural import grey, plane, relief, written

# ---- handwriting ----

CHARACTERS = 14


def alphabet():
    """The strokes of each character: two or three, each through four points of the square from -1 to 1."""
    import numpy
    draw = numpy.random.default_rng(77)
    return [draw.uniform(-1, 1, (2 + kind % 2, 4, 2)) for kind in range(CHARACTERS)]


def bent(points, count=24):
    """Points along the cubic curve of four control points."""
    import numpy
    t = numpy.linspace(0, 1, count)[:, None]
    a, b, c, d = points
    return a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t ** 3


def stroke(kind, draw):
    """A character in some hand: its points moved, slanted, in ink of some width on paper lit from one side, sometimes ruled."""
    import numpy
    side = 28
    y, x = plane(side)
    size, centre, slant = draw.uniform(7.5, 10.5), draw.uniform(12, 16, 2), draw.normal(0, 0.2)
    image = draw.uniform(165, 235) + draw.uniform(-1, 1) * (x - 14) + draw.uniform(-1, 1) * (y - 14) + 14 * relief(side, draw, (3, 9))
    if draw.uniform() < 0.3:
        image[int(draw.integers(side))::9] -= 35
    away = numpy.full((side, side), numpy.inf)
    for points in alphabet()[kind]:
        curve = bent(1.3 * points + draw.normal(0, 0.13, points.shape)) * size + centre
        across = curve[:, 1] + slant * (centre[0] - curve[:, 0])
        away = numpy.minimum(away, numpy.hypot(y[..., None] - curve[:, 0], x[..., None] - across).min(axis=-1))
    ink = numpy.clip(draw.uniform(0.7, 1.5) + 0.5 - away, 0, 1) * draw.uniform(0.75, 1)
    return grey(image * (1 - ink) + draw.uniform(20, 80) * ink, draw, 8)


# ---- cells ----

CELLS = 7


def blob(y, x, at, size, soft=0.8):
    import numpy
    return numpy.clip((size - numpy.hypot(y - at[0], x - at[1])) / soft + 0.5, 0, 1)


def around(at, angle, length):
    return at[0] + length * math.sin(angle), at[1] + length * math.cos(angle)


def nucleus(kind, y, x, at, soft, draw):
    """Coverage by the dark parts of a cell: one round, a kidney, three lobes, two lobes, grains, a ring, a bar."""
    import numpy
    turn, r = draw.uniform(0, 2 * math.pi), draw.uniform(0.9, 1.1)
    if kind == 0:
        return blob(y, x, at, 5.2 * r, soft)
    if kind == 1:
        return blob(y, x, at, 5.6 * r, soft) * (1 - blob(y, x, around(at, turn, 3.6), 3.2 * r, soft))
    if kind in (2, 3):
        lobes = 3 if kind == 2 else 2
        spread = 3.1 if kind == 2 else 2.9
        return numpy.maximum.reduce([blob(y, x, around(at, turn + 2 * math.pi * i / lobes + draw.normal(0, 0.2), spread), 2.5 * r, soft) for i in range(lobes)])
    if kind == 4:
        return numpy.maximum.reduce([blob(y, x, around(at, draw.uniform(0, 7), 6 * math.sqrt(draw.uniform())), draw.uniform(0.8, 1.4), soft) for _ in range(14)])
    if kind == 5:
        return blob(y, x, at, 4.6 * r, soft) * (1 - blob(y, x, at, 2.9 * r, soft))
    along, across = (y - at[0]) * math.sin(turn) + (x - at[1]) * math.cos(turn), (y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)
    return numpy.clip((5.5 * r - abs(along)) / soft + 0.5, 0, 1) * numpy.clip((1.6 * r - abs(across)) / soft + 0.5, 0, 1)


def cell(kind, draw):
    """A stained cell of a kind told by its nucleus, between paler cells without one; stain, light and focus differ from image to image."""
    import numpy
    y, x = plane(32)
    stain, light, soft = draw.uniform(0.35, 1.1), draw.uniform(0.75, 1.05), draw.uniform(0.8, 4.5)
    absorbed = numpy.zeros((3, 32, 32)) + numpy.array([0.04, 0.07, 0.03])[:, None, None]
    for _ in range(int(draw.integers(2, 5))):
        at, size = draw.uniform(0, 32, 2), draw.uniform(4.5, 6)
        pale = blob(y, x, at, size) - 0.5 * blob(y, x, at, size * 0.5, 3)
        absorbed += numpy.array([0.06, 0.35, 0.28])[:, None, None] * pale
    at = draw.uniform(13, 19, 2)
    body = blob(y, x, at, draw.uniform(7.5, 9))
    grain = relief(32, draw, (8, 16), 0.8)
    absorbed = absorbed * (1 - body) + numpy.array([0.25, 0.3, 0.12])[:, None, None] * body * (0.6 + 0.8 * grain)
    absorbed += numpy.array([0.9, 1.3, 0.45])[:, None, None] * (nucleus(kind, y, x, at, soft, draw) * (0.6 + 0.5 * grain))
    shift = draw.normal(0, 0.06, 3)
    return b"".join(grey(245 * light * numpy.exp(-(stain * layer + shift[i])), draw, 13) for i, layer in enumerate(absorbed))


# ---- wares ----

WARES = [  # each of boxes (left, top, right, bottom), discs and rings (middle, half width, half height), the upper half of a disc
    [("box", -0.6, -0.6, 0.4, 0.7), ("ring", 0.5, 0.05, 0.38, 0.42)],                                              # mug
    [("box", -0.32, -0.2, 0.32, 0.9), ("box", -0.14, -0.9, 0.14, -0.2)],                                           # bottle
    [("box", -0.45, -0.9, 0.1, 0.5), ("box", -0.45, 0.35, 0.8, 0.85)],                                             # boot
    [("half", 0, -0.1, 0.6, 0.75), ("box", -0.08, -0.1, 0.08, 0.8), ("disc", 0, 0.82, 0.5, 0.14)],                 # lamp
    [("box", -0.6, -0.9, -0.38, 0.9), ("box", -0.6, 0, 0.6, 0.22), ("box", 0.38, 0.1, 0.6, 0.9)],                  # chair
    [("box", -0.9, -0.4, 0.9, -0.18), ("box", -0.72, -0.3, -0.52, 0.7), ("box", 0.52, -0.3, 0.72, 0.7)],           # table
    [("box", -0.45, -0.7, 0.45, 0.8), ("box", -0.9, -0.7, 0.9, -0.25)],                                            # shirt
    [("box", -0.7, -0.1, 0.7, 0.8), ("ring", 0, -0.15, 0.45, 0.6)],                                                # bag
    [("disc", -0.3, 0.1, 0.58, 0.5), ("box", 0.2, 0, 0.95, 0.2)],                                                  # pan
    [("ring", -0.45, 0, 0.42, 0.36), ("ring", 0.45, 0, 0.42, 0.36), ("box", -0.12, -0.08, 0.12, 0.08)],            # glasses
    [("half", 0, 0, 0.9, 0.8), ("box", -0.06, -0.1, 0.06, 0.85), ("box", -0.06, 0.7, 0.3, 0.85)],                  # umbrella
    [("ring", 0, 0, 0.85, 0.85), ("box", -0.06, -0.55, 0.06, 0.06), ("box", -0.06, -0.06, 0.45, 0.06)]]            # clock


def part_of(shape, v, u, numbers):
    import numpy
    a, b, c, d = numbers
    if shape == "box":
        return (u > a) & (u < c) & (v > b) & (v < d)
    away = numpy.hypot((u - a) / c, (v - b) / d)
    return (away < 1) & (away > 0.62 if shape == "ring" else v < b if shape == "half" else True)


def ware(kind, draw):
    """One of WARES, its measures changed a little, from either side, turned a little, shaded, with its shadow on a wall."""
    import numpy
    side, fine = 26, 2
    y, x = plane(side * fine)
    size, centre, turn = draw.uniform(7.5, 11) * fine, draw.uniform(11, 15, 2) * fine, draw.normal(0, 0.12)
    wide, side_of = draw.uniform(0.8, 1.15), draw.choice((-1, 1))
    numbers = [(shape, numpy.array(at) + draw.normal(0, 0.045, 4)) for shape, *at in WARES[kind]]

    def cover(dy, dx):
        q, p = (y - centre[0] - dy) / size, (x - centre[1] - dx) / size
        u, v = side_of * (p * math.cos(turn) + q * math.sin(turn)) / wide, q * math.cos(turn) - p * math.sin(turn)
        return numpy.logical_or.reduce([part_of(shape, v, u, at) for shape, at in numbers]).astype(float)

    wall, paint = draw.uniform(40, 220), draw.uniform(20, 240)
    while abs(wall - paint) < 45:
        paint = draw.uniform(20, 240)
    image = wall + draw.uniform(-0.7, 0.7) * (x - side) + 20 * (relief(side * fine, draw, (2, 6)) - 0.5)
    image *= 1 - 0.3 * cover(*draw.uniform(1, 4, 2))
    body = cover(0, 0)
    image = image * (1 - body) + body * (paint + draw.uniform(-1.2, 1.2) * (x - centre[1]) + 25 * (relief(side * fine, draw, (5, 10)) - 0.5))
    return grey(image.reshape(side, fine, side, fine).mean(axis=(1, 3)), draw, 9)


DRAWN = {"strokes": written(CHARACTERS, (28, 28), stroke), "cells": written(CELLS, (3, 32, 32), cell),
         "wares": written(len(WARES), (26, 26), ware)}
