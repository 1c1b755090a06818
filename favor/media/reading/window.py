"""Collecting the frames and sound of one window."""

from favor.errors import MediaError
from favor.media.clip import Clip
from favor.media.clock import Clock, Instant, Span
from favor.media.reading.picking import FramePicker
from favor.media.reading.sound import SoundTrack

MAX_LAG_MS = 30_000  # how far one stream may be ahead of the other: interleaving, and pictures held by the decoder


class WindowBuffer:
    """The frames and sound of one window while they are being collected.

    Args:
        span: the window, in milliseconds.
        clock: the file's clock.
        picture: collects the frames; None without picture.
        sound: collects the sound; None without sound.

    Attributes:
        start: when the window begins, in ticks.
        end: when it ends, in ticks.
    """

    def __init__(self, span: Span, clock: Clock, picture: FramePicker | None, sound: SoundTrack | None) -> None:
        self.start, self.end = map(clock.milliseconds, span)
        self._span = span
        self._latest = self.end + clock.milliseconds(MAX_LAG_MS + (sound.margin_ms if sound else 0))
        self.picture = picture
        self.sound = sound
        self._packets = {"video": [0, 0], "audio": [0, 0]}  # numbers of good and broken packets

    def __str__(self) -> str:
        return f"[{self._span[0] / 1000}, {self._span[1] / 1000}) s"

    def note(self, kind: str, time: int, broken: bool) -> None:
        """Counts a packet that belongs to the window.

        Args:
            kind: ``video`` or ``audio``.
            time: when it is presented, in ticks of the file's clock.
            broken: whether it could not be decoded.
        """
        if self.start <= time < self.end:
            self._packets[kind][broken] += 1

    def complete(self, reached: int, settled: Instant) -> bool:
        """Returns whether nothing more can be added: each stream has passed the end, or one of them by far.

        Args:
            reached: how far packets have been read, in ticks of the file's clock.
            settled: the time before which all wanted pictures have certainly been returned.
        """
        seen = not self.picture or self.picture.full or settled >= self.end
        return reached >= self._latest or (seen and (not self.sound or self.sound.full))

    def clip(self, uri: str, still: bool) -> Clip:
        """Returns the collected frames and sound.

        Raises:
            MediaError: ``damaged`` if most packets of its picture or sound cannot be decoded, ``empty_window`` if
                nothing was found.
        """
        for kind, (good, broken) in self._packets.items():
            if broken > good:
                raise MediaError("damaged", f"{uri}: {broken} of {good + broken} {kind} packets of {self} are damaged")
        frames, frame_times = (self.picture and self.picture.frames()) or (None, None)
        if frames is None and not (self.sound and self.sound.heard):
            streams = {"picture": self.picture, "sound": self.sound}
            missing = [name for name, stream in streams.items() if stream]
            what = f"neither {' nor '.join(missing)}" if len(missing) == 2 else f"no {missing[0]}"
            raise MediaError("empty_window", f"{uri}: {what} in {self}")
        if self.sound is None:
            return Clip(frames, frame_times=frame_times, still=still)
        start = -self.sound.margin_ms / 1000
        return Clip(frames, self.sound.samples, frame_times, still, self.sound.sample_rate, start)
