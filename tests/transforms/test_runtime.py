import gc
import pickle
import subprocess
import sys

from favor.media.corpus.files import MediaFile
from transforms.runtime import Runtime

ELSEWHERE = """
import pickle, sys
first, again, other = (pickle.load(sys.stdin.buffer) for _ in range(3))
assert first is again is not other
assert first.tally.snapshot() == {}
assert first.decoder is not other.decoder
"""


def test_every_step_of_a_run_finds_the_same_one():
    runtime, other = Runtime(), Runtime()
    runtime.tally.add("windows", 2)
    steps = [pickle.loads(pickle.dumps({"step": runtime})) for _ in range(2)]
    assert steps[0]["step"] is steps[1]["step"] is runtime is not other
    assert other.tally.snapshot() == {}


def test_another_process_has_one_of_its_own_for_each_run():
    runtime, other = Runtime(), Runtime()
    runtime.tally.add("windows", 2)
    content = b"".join(map(pickle.dumps, (runtime, runtime, other)))
    there = subprocess.run([sys.executable, "-c", ELSEWHERE], input=content, capture_output=True)
    assert there.returncode == 0, there.stderr


def test_the_decoder_of_a_run_that_nobody_holds_any_more_ends(plain_clip):
    runtime = Runtime()
    runtime.decoder.probe(MediaFile(str(plain_clip), 1, "v"))
    (child,) = runtime.decoder._pool._idle
    name = pickle.dumps(runtime)
    del runtime
    gc.collect()
    assert child._process.poll() is not None
    assert pickle.loads(name).tally.snapshot() == {}  # a step that comes late has one anew
