"""Data sets with a fault planted into them: a subset of a source data set, spoiled on request.

A source is a folder with the four IDX files of Fashion-MNIST and its kin, or with CIFAR-10's binary files, and so is what is
written. Everything is a function of the arguments. Standard library only.
"""
import gzip
import math
import os
import random
import struct

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_idx(path):
    """(dimensions, bytes) of an IDX file of bytes, gzipped or not."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        zero, kind, rank = struct.unpack(">HBB", file.read(4))
        if zero or kind != 8:
            raise SystemExit(f"{path}: not an IDX file of bytes")
        dims = struct.unpack(f">{rank}I", file.read(4 * rank))
        return dims, file.read()


def write_idx(path, dims, data):
    with open(path, "wb") as file:
        file.write(struct.pack(">HBB", 0, 8, len(dims)) + struct.pack(f">{len(dims)}I", *dims) + bytes(data))


def find(folder, name):
    for candidate in (name, name + ".gz"):
        if os.path.exists(os.path.join(folder, candidate)):
            return os.path.join(folder, candidate)
    raise SystemExit(f"{folder}: has no {name}")


def cifar_file(folder, names):
    return os.path.join(folder, "data_batch_1.bin" if names is TRAIN else "test_batch.bin")


def read_part(folder, names):
    """(shape, images, labels) of the training or the test part."""
    if os.path.exists(cifar_file(folder, names)):
        with open(cifar_file(folder, names), "rb") as file:
            records = file.read()
        starts = range(0, len(records), 3073)
        return (3, 32, 32), [records[i + 1:i + 3073] for i in starts], [records[i] for i in starts]
    dims, pixels = read_idx(find(folder, names[0]))
    _, labels = read_idx(find(folder, names[1]))
    size = 1
    for side in dims[1:]:
        size *= side
    images = [pixels[i * size:(i + 1) * size] for i in range(dims[0])]
    return dims[1:], images, list(labels)


def write_part(folder, names, shape, images, labels):
    os.makedirs(folder, exist_ok=True)
    if shape == (3, 32, 32):
        with open(cifar_file(folder, names), "wb") as file:
            file.write(b"".join(bytes([label]) + image for label, image in zip(labels, images)))
        return
    write_idx(os.path.join(folder, names[0]), (len(images),) + tuple(shape), b"".join(images))
    write_idx(os.path.join(folder, names[1]), (len(labels),), labels)


def clamp(value):
    return 0 if value < 0 else 255 if value > 255 else int(value + 0.5)


# ---- faults: each changes (images, labels) in place; x is the severity ----


def plant_labels(images, labels, x, draw):
    """Symmetric label noise: a share x of the labels becomes another class."""
    classes = max(labels) + 1
    for i in range(len(labels)):
        if draw.random() < x:
            labels[i] = (labels[i] + 1 + draw.randrange(classes - 1)) % classes


def plant_pairs(images, labels, x, draw):
    """Asymmetric label noise: a share x of each class is filed under the next one."""
    classes = max(labels) + 1
    for i in range(len(labels)):
        if draw.random() < x:
            labels[i] = (labels[i] + 1) % classes


def plant_illumination(images, labels, x, draw):
    """Contrast and brightness of each image: log contrast normal with deviation x, offset normal with 40 x grey levels."""
    for i, image in enumerate(images):
        gain, offset = 2.718281828 ** draw.gauss(0, x), draw.gauss(0, 40 * x)
        table = bytes(clamp(value * gain + offset) for value in range(256))
        images[i] = image.translate(table)


def plant_shade(images, labels, x, draw):
    """Uneven light within each image: from one side to the other, in a direction of its own, it falls by up to a share x; square images."""
    for i, image in enumerate(images):
        side = math.isqrt(len(image) // (3 if math.isqrt(len(image)) ** 2 != len(image) else 1))
        angle, fall = draw.uniform(0, 2 * math.pi), draw.uniform(0, x)
        across = [(c / (side - 1) - 0.5) for c in range(side)]
        gain = [1 - fall * min(1, max(0, 0.5 + math.cos(angle) * a + math.sin(angle) * b)) for b in across for a in across]
        images[i] = bytes(int(value * gain[k % len(gain)] + 0.5) for k, value in enumerate(image))


def side_of(image):
    """(side, planes) of a square image of one plane or three."""
    planes = 3 if math.isqrt(len(image)) ** 2 != len(image) else 1
    return math.isqrt(len(image) // planes), planes


def plant_vignette(images, labels, x, draw):
    """A lamp above some place of each image: away from it the light falls, by a share of up to x at the distance of a side."""
    for i, image in enumerate(images):
        side, planes = side_of(image)
        a, b, fall = draw.uniform(0, side), draw.uniform(0, side), draw.uniform(0, x) / side ** 2
        gain = [1 - min(0.98, fall * ((r - a) ** 2 + (c - b) ** 2)) for r in range(side) for c in range(side)]
        images[i] = bytes(int(value * g + 0.5) for value, g in zip(image, gain * planes))


def plant_tint(images, labels, x, draw):
    """Lamps of any colour: each plane of each image by a factor of its own, its logarithm of deviation x / 2."""
    for i, image in enumerate(images):
        size = len(image) // 3
        tables = [bytes(clamp(value * math.exp(gain)) for value in range(256)) for gain in (draw.gauss(0, x / 2) for _ in range(3))]
        images[i] = b"".join(image[p * size:p * size + size].translate(table) for p, table in enumerate(tables))


def plant_dusk(images, labels, x, draw):
    """Half of the images were taken at dusk: a share x of their light is gone."""
    table = bytes(clamp(value * (1 - x)) for value in range(256))
    images[:] = [image.translate(table) if draw.random() < 0.5 else image for image in images]


def plant_glare(images, labels, x, draw):
    """The sun in the lens: somewhere in each image a bright round spot, by up to 255 x levels, as wide as a third of a side."""
    for i, image in enumerate(images):
        side, planes = side_of(image)
        a, b, height, width = draw.uniform(0, side), draw.uniform(0, side), 255 * draw.uniform(0, x), 2 * (side / 6) ** 2
        added = [height * math.exp(-((r - a) ** 2 + (c - b) ** 2) / width) for r in range(side) for c in range(side)]
        images[i] = bytes(clamp(value + more) for value, more in zip(image, added * planes))


def plant_outliers(images, labels, x, draw):
    """A share x of the images becomes uniform noise."""
    for i, image in enumerate(images):
        if draw.random() < x:
            images[i] = draw.randbytes(len(image))


def plant_blank(images, labels, x, draw):
    """A share x of the images is one black or white area: files that were not read."""
    for i, image in enumerate(images):
        if draw.random() < x:
            images[i] = bytes([draw.choice((0, 255))]) * len(image)


def plant_torn(images, labels, x, draw):
    """Of a share x of the images only the upper part was read, a tenth to a half of it: what is below is one grey."""
    for i, image in enumerate(images):
        if draw.random() < x:
            planes = 3 if math.isqrt(len(image)) ** 2 != len(image) else 1
            size = len(image) // planes
            kept = int(size * draw.uniform(0.1, 0.5))
            images[i] = b"".join(image[p * size:p * size + kept] + bytes([128]) * (size - kept) for p in range(planes))


def plant_slanted(images, labels, x, draw):
    """A share x of the images was read with a wrong length of row, so that each row begins some pixels later than the one before."""
    for i, image in enumerate(images):
        if draw.random() < x:
            side, planes = side_of(image)
            shift = draw.choice([k for k in range(-side // 3, side // 3 + 1) if abs(k) > 2])
            rows = [image[r * side:r * side + side] for r in range(side * planes)]
            images[i] = b"".join(row[k:] + row[:k] for row, k in zip(rows, (shift * (r % side) % side for r in range(len(rows)))))


def plant_scrambled(images, labels, x, draw):
    """Of a share x of the images the rows came in any order."""
    for i, image in enumerate(images):
        if draw.random() < x:
            side, planes = side_of(image)
            order = draw.sample(range(side), side)
            images[i] = b"".join(image[(p * side + r) * side:(p * side + r + 1) * side] for p in range(planes) for r in order)


def plant_slipped(images, labels, x, draw):
    """A list that lost a line: over a share x of the data set, at one place, each image has the label of the one behind it."""
    first = draw.randrange(len(labels) - int(x * len(labels)))
    labels[first:first + int(x * len(labels))] = labels[first + 1:first + 1 + int(x * len(labels))]


def plant_lumped(images, labels, x, draw):
    """The first two classes are taken for each other in a share x of their images."""
    labels[:] = [1 - label if label < 2 and draw.random() < x else label for label in labels]


def plant_longtail(images, labels, x, draw):
    """Each class is rarer than the one before, by the same factor, the last x times as rare as the first."""
    last = max(labels)
    keep = [i for i, label in enumerate(labels) if draw.random() < x ** (-label / last)]
    images[:], labels[:] = [images[i] for i in keep], [labels[i] for i in keep]


def plant_imbalance(images, labels, x, draw):
    """The last half of the classes keeps one image in x."""
    classes = max(labels) + 1
    keep = [i for i, label in enumerate(labels) if label < classes // 2 or draw.random() < 1 / x]
    images[:], labels[:] = [images[i] for i in keep], [labels[i] for i in keep]


def plant_absent(images, labels, x, draw):
    """Of the first x classes one image in 200 is there."""
    keep = [i for i, label in enumerate(labels) if label >= x or draw.random() < 1 / 200]
    images[:], labels[:] = [images[i] for i in keep], [labels[i] for i in keep]


def plant_sorted(images, labels, x, draw):
    """Sorted by class; with x < 1, blocks of that share of the data are sorted."""
    block = max(1, int(len(labels) * x))
    order = []
    for start in range(0, len(labels), block):
        part = list(range(start, min(start + block, len(labels))))
        order += sorted(part, key=lambda i: labels[i])
    images[:], labels[:] = [images[i] for i in order], [labels[i] for i in order]


def plant_mismatch(images, labels, x, draw):
    """All images darker: x of their brightness is gone. Planted into the test part."""
    table = bytes(clamp(value * (1 - x)) for value in range(256))
    images[:] = [image.translate(table) for image in images]


def plant_transposed(images, labels, x, draw):
    """Rows and columns are taken for each other. Planted into the test part."""
    for i, image in enumerate(images):
        side, planes = side_of(image)
        images[i] = b"".join(image[p * side * side + c:(p + 1) * side * side:side] for p in range(planes) for c in range(side))


def plant_swapped(images, labels, x, draw):
    """Blue, green, red instead of red, green, blue; colour alone. Planted into the test part."""
    size = len(images[0]) // 3
    images[:] = [image[2 * size:] + image[size:2 * size] + image[:size] for image in images]


def plant_grain(images, labels, x, draw):
    """Another camera: noise of deviation x grey levels on all images. Planted into the test part."""
    images[:] = [bytes(clamp(value + draw.gauss(0, x)) for value in image) for image in images]


def plant_leak(images, labels, x, draw, known):
    """A share x of the validation images are images known from training. Planted into the test part."""
    for i in range(int(len(labels) * x)):
        images[i], labels[i] = known[0][i], known[1][i]


def plant_copies(images, labels, x, draw, known):
    """A share x of the validation images are training images saved anew: lighter or darker, with a little noise. Planted into the test part."""
    for i in range(int(len(labels) * x)):
        lighter = draw.choice((-12, -6, 6, 12))
        images[i], labels[i] = bytes(clamp(value + lighter + draw.gauss(0, 3)) for value in known[0][i]), known[1][i]


def plant_shifted(images, labels, x, draw, known):
    """A share x of the validation images are training images cut a pixel lower and a little darker, by 5 to 15 %. Planted into the test part."""
    for i in range(int(len(labels) * x)):
        image = known[0][i]
        side, planes = side_of(image)
        table = bytes(clamp(value * darker) for darker in [draw.uniform(0.85, 0.95)] for value in range(256))
        kept = (image[p * side * side:(p + 1) * side * side] for p in range(planes))
        images[i], labels[i] = b"".join(part[side:] + part[-side:] for part in kept).translate(table), known[1][i]


def plant_few(images, labels, x, draw):
    """Only the first x images."""
    del images[int(x):], labels[int(x):]


OF_TEST, KNOWS_TRAINING = {"mismatch", "grain", "transposed", "swapped", "leak", "copies", "shifted"}, {"leak", "copies", "shifted"}
FAULTS = {name[len("plant_"):]: function for name, function in globals().items() if name.startswith("plant_")}


def plant(source, folder, train, test, seed, fault=None, severity=0.0, whole=False):
    """Writes a data set of train and test images drawn from the source, one part of it spoiled. Kept when there. whole: all of it is one
    part, spoiled as such, of which who trains sets some aside; what is known from training is then the same images, the last first."""
    if os.path.exists(os.path.join(folder, "done")):
        return folder
    draw = random.Random(f"{seed}/{fault}/{severity}")
    pick, before, parts = random.Random(seed), [], []
    for names, count in ((TRAIN, train), (TEST, test)):
        shape, images, labels = read_part(source, names)
        chosen = pick.sample(range(len(labels)), min(count, len(labels)))
        parts.append((names, [images[i] for i in chosen], [labels[i] for i in chosen]))
    if whole:
        images, labels = parts[0][1] + parts[1][1], parts[0][2] + parts[1][2]
        parts, before = [(TRAIN, images, labels)], [(images[::-1], labels[::-1])]
    for names, images, labels in parts:
        if fault and (whole or names is (TEST if fault in OF_TEST else TRAIN)):
            FAULTS[fault](images, labels, severity, draw, *(before if fault in KNOWS_TRAINING else []))
        write_part(folder, names, shape, images, labels)
        before = [(images, labels)]
    with open(os.path.join(folder, "done"), "w") as file:
        file.write(f"{source} {train} {test} {seed} {fault} {severity}\n")
    return folder
