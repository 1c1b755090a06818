"""Detecting truncated files from the sizes declared in their outermost structure."""

import os
from typing import BinaryIO

BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp", b"pnot"})  # first boxes of mp4 files
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"


def is_cut_short(file: BinaryIO) -> bool | None:
    """Returns whether the file is shorter than it declares; None if it does not declare a size."""
    size = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 64)
    if head[4:8] in BOXES:
        return _boxes_cut_short(file, size)
    if head[:4] == EBML:
        return _segment_cut_short(head, size)
    if head[:4] == b"RIFF":
        return int.from_bytes(head[4:8], "little") + 8 > size + 1  # the last byte may be padding
    return None


def holds_one_segment(file: BinaryIO) -> bool:
    """Returns whether a Matroska file ends with its first segment, so that no other file is appended to it."""
    size = file.seek(0, os.SEEK_END)
    return _segment_end(_at(file, 0, 64)) == size


def _at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _boxes_cut_short(file: BinaryIO, size: int) -> bool:
    """Walks the boxes of an mp4: a 32-bit length and a name, then a 64-bit length if the first is 1."""
    position = 0
    while position + 8 <= size:
        head = _at(file, position, 16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:  # 0 means up to the end of the file
            return False
        position += length
    return position > size


def _segment_cut_short(head: bytes, size: int) -> bool | None:
    """Compares the length of a Matroska segment with the file's size."""
    end = _segment_end(head)
    return None if end is None else end > size


def _segment_end(head: bytes) -> int | None:
    """Returns where the first segment of a Matroska file ends; None if it does not declare its length."""
    position = 4
    length, position = _variable_length(head, position)
    position += length or 0
    if head[position : position + 4] != SEGMENT:
        return None
    length, position = _variable_length(head, position + 4)
    return None if length is None else position + length


def _variable_length(head: bytes, position: int) -> tuple[int | None, int]:
    """Reads an EBML number, None for "unknown"; returns it and the position after it."""
    if position >= len(head) or not head[position]:
        return None, position
    width = 9 - head[position].bit_length()
    number = int.from_bytes(head[position : position + width]) & ((1 << 7 * width) - 1)
    return (None if number == (1 << 7 * width) - 1 else number), position + width
