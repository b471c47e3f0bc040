#!/usr/bin/env python3
"""Prints the scalars that TensorBoard itself finds in a folder of event files: "tag step value", sorted.

usage: read_events.py FOLDER
Exit status 77: the tensorboard package is not there.
"""
import logging
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(error)
    sys.exit(77)

warnings = []
logger = logging.getLogger("tensorboard")
logger.addHandler(type("Collect", (logging.Handler,), {"emit": lambda self, r: warnings.append(r.getMessage())})())

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
lines = [
    f"{tag} {event.step} {event.value:.9g}" for tag in events.Tags()["scalars"] for event in events.Scalars(tag)
]
print("\n".join(sorted(lines)))
# That data of a killed process are left out is meant; any other complaint is about the format.
complaints = [text for text in warnings if "expired" not in text and "more than one graph" not in text]
if complaints:
    sys.exit("; ".join(complaints))
