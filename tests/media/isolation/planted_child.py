"""A decoding process that goes wrong on files whose names ask for it: the real one, wrapped, for tests only."""

import os
import sys
import time

import numpy as np

from favor.media import decode, probe
from favor.media.isolation import child
from favor.media.scenes import cuts

PLANTED = {
    "crash": lambda: os.abort(),
    "hang": lambda: (print("hangs", flush=True), time.sleep(600)),
    "mistake": lambda: {}["planted"],
    "hog": lambda: [np.empty(1 << 26, np.uint8) for _ in range(1000)],
}
real_windows, real_probe, real_scenes = decode.decode_windows, probe.probe, cuts.find_scene_spans


def planted_windows(uri, spans, *rest):
    for span, clip in zip(spans, real_windows(uri, spans, *rest), strict=True):
        if f"-{span[0]}ms" in uri or "everywhere" in uri:
            go_wrong(uri)
        yield clip


def planted_probe(media, *rest):
    if "probe-" in media.uri:
        go_wrong(media.uri)
    return real_probe(media, *rest)


def planted_scenes(uri, *rest):
    if "scenes-" in uri:
        go_wrong(uri)
    return real_scenes(uri, *rest)


def go_wrong(uri):
    for name, evil in PLANTED.items():
        if f"{name}-" in uri or f"-{name}" in uri:
            evil()


if __name__ == "__main__":
    decode.decode_windows, probe.probe, cuts.find_scene_spans = planted_windows, planted_probe, planted_scenes
    child.run_child(int(sys.argv[1]))
