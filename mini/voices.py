"""Makes the word bank of the generated world: every word of the vocabulary, read once by each voice.

Run it as ``python -m mini.voices``; only this script needs the program ``flite`` (Debian: ``apt-get install flite``).
For each voice it writes ``voice_bank/NAME.opus``, and the position of each word in it to ``voice_bank/words.json``.
"""

import io
import json
import subprocess
import tempfile
import wave
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from favor.media.clip import SAMPLE_RATE
from favor.synthetic.rendering.voices import VOICES, WORD_INDEX
from favor.synthetic.vocabulary import spoken_words

GAP = SAMPLE_RATE // 10
QUIET = 0.02  # fraction of the peak; quieter samples before and after a word are cut
LOUDNESS = 0.1  # root mean square of every word
BIT_RATE = 28_000
# Words that the voices pronounce differently on their own.
RESPELLED = {"a": "uh", "the": "thuh"}


def read_aloud(word: str, voice: str) -> NDArray[np.float32]:
    """Returns (n,) samples of one word without the silence around it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        text = RESPELLED.get(word, word)
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
        with wave.open(file.name) as recording:
            assert recording.getframerate() == SAMPLE_RATE, f"{voice} speaks at {recording.getframerate()} Hz"
            samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16) / np.float32(32_768)
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    margin = SAMPLE_RATE // 100
    samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    return (samples * (LOUDNESS / np.sqrt(np.mean(samples**2)))).clip(-1, 1)


def encode(samples: NDArray[np.float32]) -> bytes:
    """Encodes (n,) samples as an Ogg file with one Opus stream."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono", options={"flags": "+bitexact"})
        stream.bit_rate = BIT_RATE
        pcm = np.round(samples * 32_767).astype(np.int16)
        frame = AudioFrame.from_ndarray(pcm[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def main() -> None:
    """Writes the voice bank of the package."""
    words = spoken_words()
    index: dict[str, dict[str, tuple[int, int]]] = {}
    for voice, path in VOICES.items():
        parts, start = [], GAP
        index[voice] = {}
        for word in words:
            samples = read_aloud(word, voice)
            index[voice][word] = (start, len(samples))
            parts += [np.zeros(GAP, np.float32), samples]
            start += GAP + len(samples)
        path.write_bytes(encode(np.concatenate([*parts, np.zeros(SAMPLE_RATE, np.float32)])))
    WORD_INDEX.write_text(json.dumps(index, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
