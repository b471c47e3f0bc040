#!/usr/bin/env python3
"""What ONNX Runtime makes of a model file: a line of logits and one of probabilities for each image.

usage: run_onnx.py MODEL.onnx PIXELS    PIXELS: bytes [count][channels][height][width], of the model's own size
Exit status 77: onnxruntime or numpy is not there. Where the onnx package is, its checker is asked too.
"""
import sys

try:
    import numpy
    import onnxruntime
except ImportError as error:
    print(error)
    sys.exit(77)
try:
    import onnx
except ImportError:
    pass
else:
    onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(images,) = session.get_inputs()
pixels = numpy.fromfile(sys.argv[2], dtype=numpy.uint8).reshape(-1, *images.shape[1:])
for rows in zip(*session.run(["logits", "probabilities"], {images.name: pixels.astype(numpy.float32) / 255})):
    for row in rows:
        print(*(f"{value:.9g}" for value in row))
