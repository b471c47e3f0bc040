#!/usr/bin/python3
"""Records what PIL makes of JPEG files of every kind, as convert("RGB") gives it: jpeg.json.

Needs python3-pil with libjpeg-turbo. Usage: make_jpeg_vectors.py [DIR]"""
import io
import json
import os
import sys

import PIL
from PIL import Image


def picture(width, height, bands):
    image = Image.new("RGB", (width, height))
    image.putdata([((x * 11 + y * 3) % 256, (x * x + y * 7) % 256, (255 - x * 5 + y * y) % 256)
                   for y in range(height) for x in range(width)])
    if bands == "CMYK":
        planes = image.split()
        return Image.merge("CMYK", (*planes, planes[0].point(lambda v: v // 3)))
    return image.convert(bands)


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


KINDS = [
    ("colour, full chroma", 24, 16, "RGB", dict(quality=90, subsampling=0)),
    ("colour, chroma halved across", 23, 17, "RGB", dict(quality=80, subsampling=1)),
    ("colour, chroma halved both ways", 17, 13, "RGB", dict(quality=75, subsampling=2)),
    ("progressive", 19, 21, "RGB", dict(quality=70, progressive=True)),
    ("grey", 15, 18, "L", dict(quality=85)),
    ("inks", 16, 11, "CMYK", dict(quality=90)),
    ("turned by EXIF, which is left alone", 20, 12, "RGB", dict(quality=85, exif=orientation(6))),
    ("one pixel", 1, 1, "RGB", dict(quality=95)),
]


def main():
    cases = []
    for name, width, height, bands, options in KINDS:
        stream = io.BytesIO()
        picture(width, height, bands).save(stream, "JPEG", **options)
        rgb = Image.open(io.BytesIO(stream.getvalue())).convert("RGB")
        cases.append({"name": name, "width": rgb.width, "height": rgb.height, "file": stream.getvalue().hex(),
                      "rgb": rgb.tobytes().hex()})
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "jpeg.json"), "w") as file:
        json.dump({"made_by": f"Pillow {PIL.__version__}, {PIL.features.version('libjpeg_turbo')}", "cases": cases},
                  file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    import PIL.features  # noqa: F401  (not part of PIL's own import)
    main()
