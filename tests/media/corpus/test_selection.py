import pytest

from favor.errors import MediaError
from favor.media.corpus.files import WHOLE_FILE, Entry, MediaFile, NamedFile
from favor.media.corpus.selection import Seen, Selection


@pytest.mark.parametrize(
    ("glob", "uri", "excluded"),
    [
        ("*.wav", "/films/a.wav", True),
        ("*.wav", "/films/a.wave", False),
        ("a.wav", "/films/a.wav", True),
        ("raw", "/films/raw/deep/a.wav", True),
        ("raw/", "/films/raw/a.wav", True),
        ("raw", "/films/raws/a.wav", False),
        ("films/*/raw", "/films/2024/raw/a.wav", True),
        ("./films/raw", "/home/films/raw/a.wav", True),
        ("/films", "/films/a.wav", True),
        ("/films", "/home/films/a.wav", False),
        ("gs://bucket/raw", "gs://bucket/raw/a.wav", True),
        ("a?.mp4", "s3://bucket/a1.mp4", True),
        ("[ab].mp4", "/c.mp4", False),
    ],
)
def test_globs_are_compared_with_whole_names(glob, uri, excluded):
    assert Selection(exclude=(glob,)).takes(uri) is not excluded


URIS = [f"/films/{number}.mp4" for number in range(10_000)]


def test_a_sample_is_the_same_whenever_it_is_taken_and_grows_with_its_share():
    small, large = Selection(share=0.01), Selection(share=0.1)
    taken = {uri for uri in URIS if small.takes(uri)}
    assert 60 <= len(taken) <= 140  # four standard deviations
    assert {uri for uri in reversed(URIS) if small.takes(uri)} == taken
    assert taken <= {uri for uri in URIS if large.takes(uri)}
    assert taken != {uri for uri in URIS if Selection(share=0.01, seed=1).takes(uri)}


def test_an_entry_is_new_once():
    seen = Seen()
    first = Entry(0, 10, labels=(("id", "x"),))
    assert seen.is_new(MediaFile("a", 1, "v"))
    assert not seen.is_new(NamedFile("a", WHOLE_FILE, "m#1"))
    assert seen.is_new(NamedFile("a", first, "m#2"))
    assert not seen.is_new(NamedFile("a", first, "m#3"))
    assert seen.is_new(NamedFile("a", Entry(0, 11, labels=(("id", "x"),)), "m#4"))
    assert seen.is_new(NamedFile("a", Entry(0, 10, labels=(("id", "y"),)), "m#5"))
    with pytest.raises(MediaError, match="give such rows different ids"):
        seen.is_new(NamedFile("a", Entry(0, 10, labels=(("id", "x"), ("year", 1))), "m#6"))


def test_a_directory_may_hold_what_a_manifest_describes():
    seen = Seen()
    assert seen.is_new(NamedFile("a", Entry(prompt="Why?"), "m#1"))
    assert not seen.is_new(MediaFile("a", 1, "v"))
