"""Each codec's rules on where decoding can begin, and which pictures no other refers to."""

from av.packet import Packet
from av.video.stream import VideoStream

H264_IDR = 5
HEVC_ENTRIES = range(16, 22)  # BLA, IDR and CRA: pictures shown after them refer to nothing before them
# Codecs whose standards guarantee that decoding can begin at any keyframe.
CLEAN_KEYFRAMES = frozenset({"mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1", "mjpeg", "prores"})
NAL_CODECS = frozenset({"h264", "hevc"})
# Codecs whose decoders know exactly which pictures no other refers to.
TELLS_REFERENCES = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})
START_CODE = b"\0\0\1"
HVCC_LAYERS, HVCC_LENGTH = 21, 23  # the byte with the number of temporal layers, and the shortest header


class EntryPoints:
    """A test for the packets of a stream at which decoding can begin.

    In H.264 these are only IDR pictures: pictures after other keyframes may refer to pictures before them.

    Args:
        stream: a stream for which `is_plannable` is true.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec.canonical_name
        header = bytes(stream.codec_context.extradata or b"")
        lengths_at = {"h264": 4, "hevc": 21}.get(self._codec)
        self._length_size = 0  # of the length field before each NAL unit; 0 if start codes separate them
        if lengths_at is not None and len(header) > lengths_at and header[0] == 1:
            self._length_size = (header[lengths_at] & 3) + 1

    def __call__(self, packet: Packet) -> bool:
        """Returns whether pictures from this packet on can be decoded without earlier packets."""
        if not packet.is_keyframe or self._codec not in NAL_CODECS:
            return packet.is_keyframe
        content = bytes(packet)
        if self._codec == "h264":
            return any(first & 31 == H264_IDR for first in nal_headers(content, self._length_size))
        return any(first >> 1 & 63 in HEVC_ENTRIES for first in nal_headers(content, self._length_size))


def nal_headers(content: bytes, length_size: int) -> list[int]:
    """Returns the first byte of each NAL unit of a packet.

    Args:
        content: the packet's bytes.
        length_size: the size in bytes of the length field before each unit; 0 if start codes separate them.
    """
    headers = []
    if not length_size:
        position = content.find(START_CODE)
        while 0 <= position < len(content) - len(START_CODE):
            headers.append(content[position + len(START_CODE)])
            position = content.find(START_CODE, position + len(START_CODE))
        return headers
    position = length_size
    while position < len(content):
        headers.append(content[position])
        position += int.from_bytes(content[position - length_size : position]) + length_size
    return headers


def is_plannable(stream: VideoStream) -> bool:
    """Returns whether it is known, for the stream's codec, where decoding can begin."""
    return stream.codec.canonical_name in NAL_CODECS | CLEAN_KEYFRAMES


def tells_references(stream: VideoStream) -> bool:
    """Returns whether the decoder can skip exactly the pictures that no other refers to.

    In HEVC only with a single temporal layer, because pictures in higher layers refer to pictures marked as unused.
    """
    if stream.codec.canonical_name != "hevc":
        return stream.codec.canonical_name in TELLS_REFERENCES
    header = bytes(stream.codec_context.extradata or b"")
    return len(header) >= HVCC_LENGTH and header[0] == 1 and header[HVCC_LAYERS] >> 3 & 7 == 1
