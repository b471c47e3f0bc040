"""Images drawn for the planted-fault benchmark with packages that are installed: letters in the fonts of this machine (Pillow),
the 8x8 handwritten digits that scikit-learn ships (Pillow as well), each moved and turned at random, figures (Pillow) and some of
EuroSAT's classes made smaller (Pillow); some of Fashion-MNIST's (as they are or half as large). Textures are in textures.py, dials, gratings, land and
scenes in natural.py, handwriting, cells and wares in things.py, fruit, calls and metal in
goods.py, numbers, pieces of clothes and land, parts on a bench and galaxies in sights.py,
leaves, clothes before a wall, a meter's digits, heart beats and land from any height in finds.py.

Each function writes a folder as plant.py reads it, a function of its arguments and of what is installed. missing() names the
package that is not there.
"""
import glob
import importlib.util
import math
import os
import random

import finds
import goods
import natural
import plant
import sights
import textures
import things

PACKAGES = {"letters": {"PIL": "pillow"}, "glyphs": {"PIL": "pillow"}, "digits": {"PIL": "pillow", "sklearn": "scikit-learn"},
            "shapes": {"PIL": "pillow"}, "shoes": {"PIL": "pillow"}, "fields": {"PIL": "pillow"}, "meadows": {"PIL": "pillow"}, "greens": {"PIL": "pillow"}, "overhead": {"PIL": "pillow"}, "textures": {"numpy": "numpy"},
            **{name: {"numpy": "numpy"} for name in {**natural.DRAWN, **things.DRAWN, **goods.DRAWN, **sights.DRAWN, **finds.DRAWN}},
            "numbers": {"numpy": "numpy", "PIL": "pillow", "sklearn": "scikit-learn"}, "plots": {"PIL": "pillow", "numpy": "numpy"},
            "stalls": {"PIL": "pillow", "numpy": "numpy"}, "flights": {"PIL": "pillow", "numpy": "numpy"}}
FONTS = "/usr/share/fonts/*/*/*.[to]tf"
OTHER = ("Symbol", "D050000L", "Keyboard", "Initials", "Math")  # fonts of something else than plain letters


def missing(name):
    """Packages that drawing this needs and that are not there."""
    return [package for module, package in PACKAGES.get(name, {}).items() if importlib.util.find_spec(module) is None]


def fonts():
    from PIL import ImageFont
    found = [ImageFont.truetype(path, 64) for path in sorted(glob.glob(FONTS))]
    found = [font for font in found if not any(word in font.getname()[0] for word in OTHER)]
    if not found:
        raise SystemExit(f"no fonts in {FONTS}: install one of Debian's fonts-* packages")
    return found


def moved(mask, side, draw, turn, scale):
    """The grey image turned, sheared, scaled and moved at random, side x side."""
    from PIL import Image
    grown = int(side * draw.uniform(*scale))
    image = mask.resize((grown, grown), Image.Resampling.LANCZOS)
    frame = Image.new("L", (side, side), 0)
    room = max(0, side - grown)
    frame.paste(image, (draw.randint(0, room), draw.randint(0, room)))
    shear = draw.uniform(-0.2, 0.2)
    frame = frame.transform((side, side), Image.Transform.AFFINE, (1, shear, -shear * side / 2, 0, 1, 0),
                            Image.Resampling.BILINEAR)
    return frame.rotate(draw.uniform(-turn, turn), Image.Resampling.BILINEAR)


def glyph(font, letter):
    """A letter that fills a square of 64 pixels, white on black."""
    from PIL import Image, ImageDraw
    left, top, right, bottom = font.getbbox(letter)
    side = max(right - left, bottom - top)
    image = Image.new("L", (side, side), 0)
    ImageDraw.Draw(image).text(((side - right + left) / 2 - left, (side - bottom + top) / 2 - top), letter, fill=255, font=font)
    return image.resize((64, 64), Image.Resampling.LANCZOS)


def colours(draw):
    """Of what is written and of what is behind it: any two that can be told apart."""
    while True:
        ink, paper = ([draw.randrange(256) for _ in range(3)] for _ in range(2))
        if abs(sum(ink) - sum(paper)) > 180:
            return ink, paper


def noisy(values, draw, deviation):
    return bytes(plant.clamp(value + draw.gauss(0, deviation)) for value in values)


def in_colour(mask, draw):
    """The letter in one colour on another, planes of red, green and blue, with a little noise."""
    ink, paper = colours(draw)
    return b"".join(noisy((p + (i - p) * value / 255 for value in mask.tobytes()), draw, 6) for i, p in zip(ink, paper))


def write_letters(folder, letters, side, counts, seed, paint, turn, scale):
    draw = random.Random(f"letters/{letters}/{seed}")
    cut = [[glyph(font, letter) for letter in letters] for font in fonts()]
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        labels = [draw.randrange(len(letters)) for _ in range(count)]
        images = [paint(moved(draw.choice(cut)[label], side, draw, turn, scale), draw) for label in labels]
        shape = (side, side) if len(images[0]) == side * side else (3, side, side)
        plant.write_part(folder, names, shape, images, labels)


def letters(folder, counts, seed):
    """Ten capital letters, 32x32 in colour: any font, any two colours, turned by up to 20 degrees."""
    write_letters(folder, "ABCDEFGHIJ", 32, counts, seed, in_colour, 20, (0.5, 0.95))


def glyphs(folder, counts, seed):
    """All 26 small letters, 24x24, light on dark, hardly moved."""
    write_letters(folder, "abcdefghijklmnopqrstuvwxyz", 24, counts, seed, lambda mask, draw: noisy(mask.tobytes(), draw, 12), 8, (0.7, 1))


def digits(folder, counts, seed):
    """scikit-learn's digits enlarged to 24x24, moved and turned: the first 1400 for training, the last 397 for validation."""
    from PIL import Image
    from sklearn.datasets import load_digits
    draw, data = random.Random(f"digits/{seed}"), load_digits()
    masks = [Image.frombytes("L", (8, 8), bytes(plant.clamp(value * 255 / 16) for value in image.flatten())) for image in data.images]
    for names, count, first, end in ((plant.TRAIN, counts[0], 0, 1400), (plant.TEST, counts[1], 1400, len(masks))):
        chosen = [draw.randrange(first, end) for _ in range(count)]
        images = [noisy(moved(masks[i], 24, draw, 12, (0.75, 1)).tobytes(), draw, 5) for i in chosen]
        plant.write_part(folder, names, (24, 24), images, [int(data.target[i]) for i in chosen])


# ---- figures ----


def polygon(corners, dent=1.0):
    """Corners on a circle; dent below 1: as many more between them, that much nearer to the centre."""
    count = corners * (1 if dent == 1 else 2)
    return [((1 if i % 2 == 0 or dent == 1 else dent) * math.sin(2 * math.pi * i / count),
             -(1 if i % 2 == 0 or dent == 1 else dent) * math.cos(2 * math.pi * i / count)) for i in range(count)]


DISC = polygon(40)
FIGURES = [  # outline, and a hole where there is one
    (polygon(3), None), (polygon(4), None), (polygon(6), None), (DISC, None), (polygon(5, 0.4), None), (polygon(4, 0.35), None),
    (DISC, [(0.55 * x, 0.55 * y) for x, y in DISC]), (DISC, [(0.45 + 0.8 * x, 0.8 * y) for x, y in DISC]), (DISC[:21], None),
    ([(-0.8, -1), (-0.2, -1), (-0.2, 0.4), (0.8, 0.4), (0.8, 1), (-0.8, 1)], None),
    ([(0, -1), (0.9, 0), (0.35, 0), (0.35, 1), (-0.35, 1), (-0.35, 0), (-0.9, 0)], None),
    ([(-0.9, -1), (0.9, -1), (0, 0), (0.9, 1), (-0.9, 1), (0, 0)], None)]


def figure(kind, side, draw):
    """One of FIGURES in light grey on dark, anywhere, turned by up to 25 degrees, behind two thin lines."""
    from PIL import Image, ImageDraw
    fine, paper, ink = 4 * side, draw.randint(20, 90), draw.randint(150, 235)
    size, angle = fine / 2 * draw.uniform(0.5, 0.85), math.radians(draw.uniform(-25, 25))
    x0, y0 = (draw.uniform(size, fine - size) for _ in range(2))
    placed = lambda points: [(x0 + size * (x * math.cos(angle) - y * math.sin(angle)), y0 + size * (x * math.sin(angle) + y * math.cos(angle)))
                             for x, y in points]
    image = Image.new("L", (fine, fine), paper)
    brush = ImageDraw.Draw(image)
    outline, hole = FIGURES[kind]
    brush.polygon(placed(outline), fill=ink)
    if hole:
        brush.polygon(placed(hole), fill=paper)
    for _ in range(2):
        brush.line([draw.uniform(0, fine) for _ in range(4)], fill=draw.randint(60, 200), width=3)
    return noisy(image.resize((side, side), Image.Resampling.BOX).tobytes(), draw, 14)


def shapes(folder, counts, seed):
    """Twelve figures, 20x20."""
    draw = random.Random(f"shapes/{seed}")
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        labels = [draw.randrange(len(FIGURES)) for _ in range(count)]
        plant.write_part(folder, names, (20, 20), [figure(label, 20, draw) for label in labels], labels)


def of_eurosat(name, kinds, mode="RGB", side=32):
    """What writes these of EuroSAT's classes, all that there is of them, in colour (32x32 alone) or, mode "L", in grey. Needs EVENKEEL_DATA."""
    def write(folder, counts, seed):
        from PIL import Image
        draw = random.Random(f"{name}/{seed}")
        for names, part in ((plant.TRAIN, "train"), (plant.TEST, "val")):
            found = []
            for label, kind in enumerate(kinds):
                for path in sorted(glob.glob(os.path.join(os.environ["EVENKEEL_DATA"], "eurosat", part, kind, "*"))):
                    pixels = Image.open(path).convert(mode).resize((side, side), Image.Resampling.BOX)
                    found.append((b"".join(channel.tobytes() for channel in pixels.split()), label))
            draw.shuffle(found)
            plant.write_part(folder, names, (3, side, side) if mode == "RGB" else (side, side), [image for image, _ in found], [label for _, label in found])
    return write


def wardrobe(folder, counts, seed):
    """Six of Fashion-MNIST's classes: T-shirts, pullovers, dresses, coats, shirts and bags. Needs EVENKEEL_DATA."""
    draw, kinds = random.Random(f"wardrobe/{seed}"), [0, 2, 3, 4, 6, 8]
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        shape, images, labels = plant.read_part(os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist"), names)
        chosen = draw.sample([i for i, label in enumerate(labels) if label in kinds], count)
        plant.write_part(folder, names, shape, [images[i] for i in chosen], [kinds.index(labels[i]) for i in chosen])


def shoes(folder, counts, seed):
    """Five of Fashion-MNIST's classes, sandals, sneakers, boots, bags and trousers, made half as large. Needs EVENKEEL_DATA."""
    from PIL import Image
    draw, kinds = random.Random(f"shoes/{seed}"), [5, 7, 9, 8, 1]
    for names, count in zip((plant.TRAIN, plant.TEST), counts):
        _, images, labels = plant.read_part(os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist"), names)
        chosen = draw.sample([i for i, label in enumerate(labels) if label in kinds], count)
        halves = [Image.frombytes("L", (28, 28), images[i]).resize((14, 14), Image.Resampling.BOX).tobytes() for i in chosen]
        plant.write_part(folder, names, (14, 14), halves, [kinds.index(labels[i]) for i in chosen])


FIELDS = ["AnnualCrop", "Forest", "Highway", "Industrial", "Residential", "SeaLake"]
MEADOWS = ["HerbaceousVegetation", "Pasture", "PermanentCrop", "River"]
GREENS = ["AnnualCrop", "HerbaceousVegetation", "Highway", "PermanentCrop", "River"]
overhead = of_eurosat("overhead", ["Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "Residential", "River"], "L", 40)
DRAWN = {"letters": letters, "glyphs": glyphs, "digits": digits, "shapes": shapes, "fields": of_eurosat("fields", FIELDS),
         "meadows": of_eurosat("meadows", MEADOWS), "greens": of_eurosat("greens", GREENS), "wardrobe": wardrobe, "textures": textures.textures,
         "shoes": shoes, "overhead": overhead, **natural.DRAWN, **things.DRAWN, **goods.DRAWN, **sights.DRAWN, **finds.DRAWN}
