"""The frames and the sound of one span while they are being collected."""

from fractions import Fraction

from favor.errors import MediaError
from favor.media.audio import SoundTrack
from favor.media.clip import Clip
from favor.media.picking import FramePicker
from favor.media.wanted import Instant, Span

MAX_LAG = Fraction(30)  # s one stream may run ahead of the other: interleaving, and pictures held by the decoder


class Window:
    """The frames and the sound of one span while they are being collected."""

    def __init__(self, span: Span, picture: FramePicker | None, sound: SoundTrack | None) -> None:
        self.start, self.end = (Fraction(ms, 1000) for ms in span)
        self.picture = picture
        self.sound = sound
        self._packets = {"video": [0, 0], "audio": [0, 0]}  # good and broken ones

    def __str__(self) -> str:
        return f"[{float(self.start)}, {float(self.end)}) s"

    def note(self, kind: str, time: Fraction, broken: bool) -> None:
        """Counts a packet that belongs to the window.

        Args:
            kind: ``video`` or ``audio``.
            time: when it is presented, in seconds of the file.
            broken: whether nothing could be made of it.
        """
        if self.start <= time < self.end:
            self._packets[kind][broken] += 1

    def complete(self, reached: Fraction, settled: Instant) -> bool:
        """Whether nothing more can come: each stream has passed the end, or one of them by far.

        Args:
            reached: how far packets have been read, in seconds of the file.
            settled: where all pictures before are certain to have been returned.
        """
        seen = not self.picture or self.picture.full or settled >= self.end
        return reached >= self.end + MAX_LAG or (seen and (not self.sound or self.sound.full))

    def clip(self, uri: str, still: bool) -> Clip:
        """Returns what has been collected.

        Raises:
            MediaError: ``damaged`` if most of its picture or sound cannot be decoded, ``empty_window`` if there was
                neither.
        """
        for kind, (good, broken) in self._packets.items():
            if broken > good:
                raise MediaError("damaged", f"{uri}: {broken} of {good + broken} {kind} packets of {self} are damaged")
        frames, frame_times = (self.picture and self.picture.frames()) or (None, None)
        if frames is None and not (self.sound and self.sound.heard):
            raise MediaError("empty_window", f"{uri}: neither picture nor sound in {self}")
        audio = self.sound.samples if self.sound else None
        return Clip(frames=frames, frame_times=frame_times, audio=audio, still=still)
