"""Images for the planted-fault benchmark that look more like photographs than textures.py's: dials, gratings behind clutter, land seen
from above, things beside a house. Needs NumPy, which is imported where it is used, so that the other sources do without."""
import math

import plant


def plane(side):
    import numpy
    y, x = numpy.mgrid[0:side, 0:side].astype(float)
    return y, x


def relief(side, draw, cells=(2, 4, 8, 16), fall=0.55):
    """Fractal noise from 0 to 1: random heights on ever finer grids, smoothly joined, each octave so much lower than the one before."""
    import numpy
    total = numpy.zeros((side, side))
    for octave, count in enumerate(cells):
        heights = draw.normal(size=(count + 2, count + 2))
        at = (numpy.arange(side) + draw.uniform()) * count / side
        low, share = at.astype(int), at % 1
        share = share * share * (3 - 2 * share)
        rows = heights[low] * (1 - share)[:, None] + heights[low + 1] * share[:, None]
        total += fall ** octave * (rows[:, low] * (1 - share) + rows[:, low + 1] * share)
    return (total - total.min()) / max(float(numpy.ptp(total)), 1e-9)


def beam(y, x, from_, to, width):
    """Coverage of a line of that width between two points (y, x), soft at its edge."""
    import numpy
    dy, dx = to[0] - from_[0], to[1] - from_[1]
    along = numpy.clip(((y - from_[0]) * dy + (x - from_[1]) * dx) / max(dy * dy + dx * dx, 1e-9), 0, 1)
    away = numpy.hypot(y - from_[0] - along * dy, x - from_[1] - along * dx)
    return numpy.clip(width / 2 + 0.5 - away, 0, 1)


def towards(centre, angle, length):
    return centre[0] - length * math.cos(angle), centre[1] + length * math.sin(angle)


def grey(values, draw, deviation):
    """As bytes, with noise."""
    import numpy
    return numpy.clip(numpy.rint(values + draw.normal(0, deviation, values.shape)), 0, 255).astype(numpy.uint8).tobytes()


# ---- kinds: each draws one image of a class ----


def dial(kind, draw):
    """A hand that points in one of 16 directions, on a face with marks, lit from one side."""
    import numpy
    side = 28
    y, x = plane(side)
    centre, radius = draw.uniform(11, 17, 2), draw.uniform(8.5, 11)
    angle = 2 * math.pi * (kind + draw.uniform(-0.33, 0.33)) / 16
    away = numpy.hypot(y - centre[0], x - centre[1])
    face = numpy.clip(radius + 0.5 - away, 0, 1)
    image = draw.uniform(25, 80) + draw.uniform(40, 90) * face
    image += draw.uniform(-1.5, 1.5) * (x - side / 2) + draw.uniform(-1.5, 1.5) * (y - side / 2)
    for mark in range(int(draw.integers(4, 9))):
        turn = draw.uniform(0, 2 * math.pi)
        image -= 50 * beam(y, x, towards(centre, turn, radius - 2), towards(centre, turn, radius), 1)
    hand = beam(y, x, towards(centre, angle + math.pi, 2), towards(centre, angle, radius * draw.uniform(0.65, 0.9)), draw.uniform(1.2, 2.6))
    return grey(image * (1 - hand) + draw.uniform(190, 240) * hand, draw, 9)


def grating(kind, draw):
    """Stripes in one of nine directions, seen through a soft hole, bars and spots before them."""
    import numpy
    side = 22
    y, x = plane(side)
    angle = math.pi * (kind + draw.uniform(-0.25, 0.25)) / 9
    wave = numpy.sin(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / draw.uniform(3.6, 6.5) + draw.uniform(0, 2 * math.pi))
    hole = numpy.exp(-((y - draw.uniform(7, 15)) ** 2 + (x - draw.uniform(7, 15)) ** 2) / (2 * draw.uniform(4, 7) ** 2))
    image = draw.uniform(90, 150) + draw.uniform(35, 80) * wave * hole
    for _ in range(3):
        spot = beam(y, x, draw.uniform(0, side, 2), draw.uniform(0, side, 2), draw.uniform(1, 3)) * draw.uniform(0.3, 0.9)
        image = image * (1 - spot) + draw.uniform(30, 220) * spot
    return grey(image, draw, 11)


def water(draw, y, x):
    import numpy
    return 0.5 + 0.15 * (relief(32, draw, (2, 3)) - 0.5) + 0.06 * numpy.sin(x * draw.uniform(0.5, 1.2) + y * draw.uniform(-0.6, 0.6))


def wood(draw, y, x):
    return 0.25 + 0.6 * relief(32, draw, (4, 12, 20), 0.95) ** 1.5


def crops(draw, y, x):
    """Fields around random middles, each ploughed in a direction of its own."""
    import numpy
    middles = draw.uniform(0, 32, (int(draw.integers(3, 7)), 2))
    field = numpy.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in middles], axis=0)
    image = numpy.zeros((32, 32))
    for i in range(len(middles)):
        angle, step = draw.uniform(0, math.pi), draw.uniform(1.2, 2.4)
        furrow = numpy.sin((x * math.cos(angle) + y * math.sin(angle)) * step)
        image[field == i] = (draw.uniform(0.3, 0.75) + draw.uniform(0.02, 0.09) * furrow)[field == i]
    return image


def rock(draw, y, x):
    return 0.2 + 0.7 * abs(2 * relief(32, draw, (3, 6, 12), 0.6) - 1)


def town(draw, y, x):
    """Roofs in rows between streets."""
    import numpy
    angle, pitch = draw.uniform(-0.5, 0.5), draw.uniform(5, 8)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    roof = ((u % pitch) > draw.uniform(1.2, 2.4)) & ((v % (pitch * 1.3)) > draw.uniform(1.5, 3))
    shade = draw.uniform(0.35, 0.85, (40, 40))[(u / pitch).astype(int) % 40, (v / pitch / 1.3).astype(int) % 40]
    return numpy.where(roof, shade, draw.uniform(0.35, 0.55))


GROUNDS = [(water, (70, 95, 115)), (wood, (80, 100, 75)), (crops, (125, 120, 80)), (rock, (115, 108, 100)), (town, (120, 115, 115))]


def ground(kind, draw):
    """Land from above in colours that differ more from image to image than from class to class; often a path or a river across, and
    a corner of it some other land."""
    import numpy
    y, x = plane(32)
    paint, colour = GROUNDS[kind]
    image = paint(draw, y, x)
    other = GROUNDS[int(draw.integers(len(GROUNDS)))][0](draw, y, x)
    angle, bound = draw.uniform(0, 2 * math.pi), draw.uniform(8, 20)
    image = numpy.where((y - 16) * math.cos(angle) + (x - 16) * math.sin(angle) > bound, other, image)
    if draw.uniform() < 0.4:
        path = beam(y, x, draw.uniform(0, 32, 2), draw.uniform(0, 32, 2), draw.uniform(1, 3))
        image = image * (1 - path) + draw.uniform(0.2, 0.9) * path
    haze, light = draw.uniform(-20, 20), draw.uniform(0.8, 1.3)
    planes = [(c + draw.normal(0, 22)) * light * (0.45 + 1.1 * image) + haze for c in colour]
    return b"".join(grey(values, draw, 5) for values in planes)


def thing(kind, y, x, at, size):
    """Coverage of a disc, a box, a triangle, a cross or a ring."""
    import numpy
    dy, dx = abs(y - at[0]), abs(x - at[1])
    away = numpy.hypot(dy, dx)
    return [away < size, numpy.maximum(dy, dx) < size * 0.85, (y - at[0] < size * 0.8) & (2 * dx < y - at[0] + size),
            ((dy < size / 3) | (dx < size / 3)) & (numpy.maximum(dy, dx) < size), (away < size) & (away > size * 0.5)][kind].astype(float)


def scene(kind, draw):
    """One of five things above, below, left or right of a house, under a sky, with specks: 20 classes."""
    side = 36
    y, x = plane(side)
    house, what, where = draw.uniform(15, 21, 2), kind % 5, kind // 5
    image = draw.uniform(60, 110) + draw.uniform(20, 60) * (y > draw.uniform(14, 30)) + 20 * relief(side, draw, (2, 5))
    box = thing(1, y, x, house, draw.uniform(3.5, 5))
    image = image * (1 - box) + draw.uniform(15, 45) * box
    at = towards(house, math.pi / 2 * where + draw.uniform(-0.35, 0.35), draw.uniform(9.5, 12.5))
    shape = thing(what, y, x, at, draw.uniform(3.4, 4.6))
    image = image * (1 - shape) + draw.uniform(175, 240) * shape
    for _ in range(4):
        speck = thing(0, y, x, draw.uniform(0, side, 2), draw.uniform(0.6, 1.5))
        image = image * (1 - speck) + draw.uniform(20, 230) * speck
    return grey(image, draw, 10)


# ---- data sets ----


def written(classes, shape, make):
    """What writes a data set of such images: a function of folder, (training, validation) images and seed."""
    def write(folder, counts, seed):
        import numpy
        draw = numpy.random.default_rng([classes, seed])
        for names, count in zip((plant.TRAIN, plant.TEST), counts):
            labels = [int(draw.integers(classes)) for _ in range(count)]
            plant.write_part(folder, names, shape, [make(label, draw) for label in labels], labels)
    return write


DRAWN = {"dials": written(16, (28, 28), dial), "gratings": written(9, (22, 22), grating), "grounds": written(5, (3, 32, 32), ground),
         "scenes": written(20, (36, 36), scene)}
