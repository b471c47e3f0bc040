#!/usr/bin/python3
"""Loads a model.safetensors into torchvision's network of the same name, strictly, and checks every element.

usage: torch_load.py model.safetensors NETWORK CLASSES
The file's element i of a tensor is (7 * i + length of its name) % 1024 / 1024 (tests/test_torchvision.c wrote it).
Exit status 77: torch or torchvision is not there.
"""
import json
import struct
import sys

try:
    import torch
    import torchvision
except ImportError as error:
    print(error)
    sys.exit(77)


def read(path):
    types = {"F32": torch.float32, "I64": torch.int64}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensor = torch.frombuffer(data[begin:end], dtype=types[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors


path, network, classes = sys.argv[1:]
tensors = read(path)
model = getattr(torchvision.models, network)(num_classes=int(classes))
model.load_state_dict(tensors, strict=True)
# strict lets num_batches_tracked be absent
assert list(sorted(tensors)) == list(sorted(model.state_dict())), "names differ"
for name, tensor in model.state_dict().items():
    if tensor.dtype == torch.int64:
        assert tensor.item() == 1234567, name
        continue
    i = torch.arange(tensor.numel())
    expected = ((7 * i + len(name)) % 1024).to(torch.float32) / 1024
    assert torch.equal(tensor.flatten(), expected), name
model.eval()
with torch.no_grad():
    model(torch.zeros(1, 3, 64, 64))
