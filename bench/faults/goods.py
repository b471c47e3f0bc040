"""Images for the planted-fault benchmark: fruit on a belt in colour, calls as spectrograms, flaws in sheet metal. Needs NumPy, which is
imported where it is used, so that the other sources do without."""
import math

from natural import beam, grey, plane, relief, written

# ---- fruit ----

FRUIT = [  # hue, saturation, length by width, how far it is bent, share of its skin with spots, a furrow
    (0.00, 0.80, 1.00, 0.0, 0.1, False),   # red apple
    (0.24, 0.65, 1.00, 0.0, 0.1, False),   # green apple
    (0.02, 0.85, 0.80, 0.0, 0.0, True),    # tomato, flat and ribbed
    (0.08, 0.85, 1.00, 0.0, 0.6, False),   # orange, pored
    (0.14, 0.80, 1.45, 0.0, 0.5, False),   # lemon
    (0.13, 0.75, 2.40, 0.5, 0.2, False),   # banana
    (0.80, 0.50, 1.25, 0.0, 0.0, True),    # plum
    (0.20, 0.60, 1.50, 0.2, 0.4, False)]   # pear


def rgb(hue, saturation, value):
    """Planes of red, green and blue, of planes of hue, saturation and value from 0 to 1."""
    import numpy
    return [value * (1 - saturation * numpy.clip(2 - abs((6 * hue + n) % 6 - 2), 0, 1)) for n in (5, 3, 1)]


def fruit(kind, draw):
    """One fruit, ripe or not quite, turned any way, on a belt of some colour beside leaves; light and its side differ."""
    import numpy
    hue, saturation, length, bend, spots, furrow = FRUIT[kind]
    y, x = plane(32)
    at, turn, size = draw.uniform(12, 20, 2), draw.uniform(0, 2 * math.pi), draw.uniform(7, 9.5) / math.sqrt(length)
    u = ((x - at[1]) * math.cos(turn) + (y - at[0]) * math.sin(turn)) / (size * length * draw.uniform(0.9, 1.1))
    v = ((y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)) / size
    v = v + bend * 1.6 * (u * u - 0.4)
    away = numpy.hypot(u, v)
    body = numpy.clip((1 - away) * size / 1.2 + 0.5, 0, 1)
    skin = relief(32, draw, (2, 4, 8))
    paint = numpy.clip(saturation + draw.normal(0, 0.08) + 0.15 * (skin - 0.5), 0, 1), (hue + draw.normal(0, 0.022) + 0.05 * (skin - 0.5)) % 1
    bright = draw.uniform(0.6, 0.95) * (1 - 0.35 * numpy.clip(away, 0, 1) ** 2)
    bright = bright * (1 - 0.35 * spots * (draw.normal(size=(32, 32)) > 1.1)) * (1 - (0.25 * (abs(v) < 0.12) if furrow else 0))
    belt = draw.uniform(0, 1), draw.uniform(0, 0.3), draw.uniform(0.15, 0.6) + 0.12 * (relief(32, draw, (4, 10)) - 0.5)
    image = [back * (1 - body) + front * body for back, front in zip(rgb(*belt), rgb(paint[1], paint[0], bright))]
    for _ in range(int(draw.integers(3))):
        leaf = beam(y, x, draw.uniform(0, 32, 2), draw.uniform(0, 32, 2), draw.uniform(1.5, 4))
        image = [plane_ * (1 - leaf) + c * leaf for plane_, c in zip(image, (0.2, draw.uniform(0.3, 0.55), 0.15))]
    light = draw.uniform(0.75, 1.15) + draw.uniform(-0.012, 0.012) * (x - 16)
    cast = draw.normal(1, 0.05, 3)
    return b"".join(grey(255 * plane_ * light * c, draw, 9) for plane_, c in zip(image, cast))


# ---- calls ----

CALLS = 9


def voices(kind, t, draw):
    """(pitch, strength) of each tone at times t from 0 to 1: rising, falling, level, up and down, a stack of overtones, beats, two in
    turn, a trill, a click."""
    import numpy
    f, still = draw.uniform(8, 20), numpy.ones_like(t)
    slope = draw.uniform(5, 10)
    if kind == 0:
        return [(f + slope * (t - 0.5), still)]
    if kind == 1:
        return [(f - slope * (t - 0.5), still)]
    if kind == 2:
        return [(f + draw.uniform(-1, 1) * (t - 0.5), still)]
    if kind == 3:
        return [(f + slope * numpy.sin(math.pi * t) - slope / 2, still)]
    if kind == 4:
        base = draw.uniform(4, 6.5)
        return [(base * n + draw.uniform(-1, 1) * t, still / n ** 0.3) for n in (1, 2, 3, 4)]
    if kind == 5:
        return [(f + 0 * t, (numpy.sin(2 * math.pi * t * draw.uniform(2.2, 3.5)) > 0).astype(float))]
    if kind == 6:
        return [(numpy.where(t < 0.5, f, f + draw.choice((-1, 1)) * draw.uniform(4, 7)), still)]
    if kind == 7:
        return [(f + draw.uniform(2, 3.5) * numpy.sin(2 * math.pi * t * draw.uniform(2.5, 3.5)), still)]
    return []


def call(kind, draw):
    """Loudness over time (across) and pitch (upwards) of one call, in wind, near or far, sometimes under a hum or beside a click."""
    import numpy
    side = 32
    y, x = plane(side)
    start, length = draw.uniform(2, 9), draw.uniform(14, 21)
    t = (numpy.arange(side) - start) / length
    inside = numpy.clip((0.5 - abs(t - 0.5)) * length + 0.5, 0, 1)
    power = 0.35 * numpy.exp(-(side - 1 - y) / draw.uniform(3, 9)) + 0.06 * relief(side, draw, (3, 6))
    loud = draw.uniform(0.28, 0.9)
    for pitch, strength in voices(kind, t, draw):
        power = numpy.maximum(power, loud * strength * inside * numpy.exp(-((side - 1 - y - pitch) / draw.uniform(0.7, 1.2)) ** 2))
    if kind == 8 or draw.uniform() < 0.15:
        for _ in range(int(draw.integers(2, 5)) if kind == 8 else 1):
            power = numpy.maximum(power, loud * numpy.exp(-((x - draw.uniform(3, 29)) / 0.7) ** 2) * draw.uniform(0.7, 1))
    if draw.uniform() < 0.25:
        power = numpy.maximum(power, 0.35 * (abs(y - draw.integers(side)) < 0.5))
    return grey(25 + 220 * power + 26 * abs(draw.normal(size=(side, side))), draw, 6)


# ---- sheet metal ----

FLAWS = 7


def crack(y, x, draw):
    """Coverage by a broken line that wanders."""
    import numpy
    at, angle, cover = draw.uniform(4, 28, 2), draw.uniform(0, 2 * math.pi), 0
    for _ in range(6):
        end = at + draw.uniform(3, 5.5) * numpy.array([math.sin(angle), math.cos(angle)])
        cover, at, angle = numpy.maximum(cover, beam(y, x, at, end, draw.uniform(0.4, 1.1))), end, angle + draw.normal(0, 0.7)
    return cover


def flawed(kind, draw):
    """Brushed metal: sound, scratched, cracked, pitted, with an inclusion, with a patch, with scale rolled in."""
    import numpy
    y, x = plane(32)
    grain = draw.normal(size=(32, 32))
    grain = sum(numpy.roll(grain, shift, 1) for shift in range(7)) / math.sqrt(7)
    image = draw.uniform(90, 190) + draw.uniform(5, 12) * grain + draw.uniform(-1.2, 1.2) * (x - 16) + draw.uniform(-1.2, 1.2) * (y - 16)
    image += 25 * (relief(32, draw, (2, 4)) - 0.5)
    depth = draw.uniform(28, 75)
    if kind == 1:
        start, angle = draw.uniform(3, 29, 2), draw.uniform(0, 2 * math.pi)
        end = start + draw.uniform(14, 26) * numpy.array([math.sin(angle), math.cos(angle)])
        image = image + draw.choice((0.8, 1)) * depth * beam(y, x, start, end, draw.uniform(0.4, 1.3))
    elif kind == 2:
        image = image - depth * crack(y, x, draw)
    elif kind == 3:
        for at in draw.uniform(2, 30, (int(draw.integers(6, 14)), 2)):
            image = image - depth * numpy.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / draw.uniform(0.8, 2.2))
    elif kind == 4:
        at, turn, long, thin = draw.uniform(8, 24, 2), draw.normal(0, 0.4), draw.uniform(5, 9), draw.uniform(1.2, 2.2)
        u, v = (x - at[1]) * math.cos(turn) + (y - at[0]) * math.sin(turn), (y - at[0]) * math.cos(turn) - (x - at[1]) * math.sin(turn)
        image = image - depth * numpy.exp(-(u / long) ** 4 - (v / thin) ** 4)
    elif kind == 5:
        bound = relief(32, draw, (2, 3)) + 0.5 * numpy.exp(-((y - draw.uniform(8, 24)) ** 2 + (x - draw.uniform(8, 24)) ** 2) / 60)
        image = image + draw.choice((-0.6, 0.6)) * depth * (bound > numpy.quantile(bound, draw.uniform(0.65, 0.8)))
    elif kind == 6:
        flakes = relief(32, draw, (8, 14), 0.9)
        image = image - depth * 0.8 * (flakes > numpy.quantile(flakes, draw.uniform(0.82, 0.93)))
    for _ in range(int(draw.integers(3))):
        at = draw.uniform(0, 32, 2)
        image = image - 40 * numpy.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 1.2)
    return grey(image, draw, 7)


DRAWN = {"fruit": written(len(FRUIT), (3, 32, 32), fruit), "calls": written(CALLS, (32, 32), call),
         "metal": written(FLAWS, (32, 32), flawed)}
