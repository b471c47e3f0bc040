"""Eight kinds of texture for the planted-fault benchmark, 24x24 in grey, of any direction, size and place. Needs NumPy, which is
imported where it is used, so that the other sources do without."""
import plant

SIDE = 24


def grid(draw, period):
    """(u, v): coordinates along a direction drawn at random, in radians of a period drawn from two numbers."""
    import numpy
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    angle, step = draw.uniform(0, numpy.pi), 2 * numpy.pi / draw.uniform(*period)
    u, v = x * numpy.cos(angle) + y * numpy.sin(angle), y * numpy.cos(angle) - x * numpy.sin(angle)
    return u * step + draw.uniform(0, 2 * numpy.pi), v * step + draw.uniform(0, 2 * numpy.pi)


def smoothed(values, width, axes):
    """Mean of so many neighbours along each axis, the image continued on its other side."""
    import numpy
    for axis in axes:
        values = sum(numpy.roll(values, shift, axis) for shift in range(width)) / width
    return values


def stripes(draw):
    import numpy
    return numpy.sin(grid(draw, (4, 9))[0])


def checks(draw):
    import numpy
    u, v = grid(draw, (8, 14))
    return numpy.sign(numpy.sin(u) * numpy.sin(v))


def dots(draw):
    import numpy
    u, v = grid(draw, (6, 10))
    return numpy.exp(2 * (numpy.cos(u) + numpy.cos(v)) - 4)


def clouds(draw):
    return smoothed(draw.normal(size=(SIDE, SIDE)), 5, (0, 0, 1, 1))


def brushed(draw):
    return smoothed(smoothed(draw.normal(size=(SIDE, SIDE)), 9, (draw.integers(2),)), 2, (0, 1))


def cells(draw):
    """Distance to the nearest of some points."""
    import numpy
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    return min_distance(numpy, [(x - a) ** 2 + (y - b) ** 2 for a, b in draw.uniform(0, SIDE, (draw.integers(6, 12), 2))])


def min_distance(numpy, squares):
    return numpy.sqrt(numpy.minimum.reduce(squares))


def rings(draw):
    import numpy
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    centre = draw.uniform(4, SIDE - 4, 2)
    return numpy.sin(2 * numpy.pi * numpy.hypot(x - centre[0], y - centre[1]) / draw.uniform(4, 8))


def bricks(draw):
    """Rows of stones, each moved by half a stone against the next."""
    import numpy
    u, v = grid(draw, (6, 9))
    row = numpy.floor(v / (2 * numpy.pi))
    joint = (numpy.cos(v) > 0.7) | (numpy.cos(u / 1.8 + numpy.pi * row) > 0.85)
    return numpy.where(joint, 0.0, 1.0)


KINDS = [stripes, checks, dots, clouds, brushed, cells, rings, bricks]


def texture(kind, draw):
    """As bytes: from 0 to 1, then in two greys drawn at random, with noise."""
    import numpy
    values = KINDS[kind](draw)
    values = (values - values.min()) / max(values.max() - values.min(), 1e-9)
    dark, light = draw.uniform(20, 70), draw.uniform(170, 235)
    noisy = dark + (light - dark) * values + draw.normal(0, 12, (SIDE, SIDE))
    return numpy.clip(numpy.rint(noisy), 0, 255).astype(numpy.uint8).tobytes()


def textures(folder, counts, seed):
    import numpy
    draw = numpy.random.default_rng([7, seed])
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        labels = [int(draw.integers(len(KINDS))) for _ in range(count)]
        plant.write_part(folder, names, (SIDE, SIDE), [texture(label, draw) for label in labels], labels)
