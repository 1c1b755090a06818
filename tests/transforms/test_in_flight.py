import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from favor.media.clip import Clip
from favor.media.corpus.files import MediaFile, WindowKey
from favor.media.needs import ClipNeeds
from favor.media.sampling import Windowing
from favor.models.base import GenerationOptions
from transforms.elements import Identity, Job, Window
from transforms.in_flight import InFlight, window_id_of

IDENTITY = Identity("favor-mini", "r1", "auto", Windowing(), ClipNeeds(), GenerationOptions())


def window(number):
    media = MediaFile(f"/{number}.mp4", 1, f"v{number}")
    return Window(media, Job(WindowKey(media.media_id, 0, 1000), ()), Clip(np.zeros((1, 2, 2, 3), np.uint8)))


def test_all_windows_that_any_thread_is_processing_are_reported():
    reports = []
    in_flight = InFlight(lambda notes: reports.append({window_id_of(note) for note in notes}))
    first, second = [window(0), window(1)], [window(2)]
    first_entered, second_entered, first_left = threading.Event(), threading.Event(), threading.Event()

    def process_first():
        with in_flight.batch(first, IDENTITY):
            first_entered.set()
            assert second_entered.wait(10)
        first_left.set()

    def process_second():
        assert first_entered.wait(10)
        with in_flight.batch(second, IDENTITY):
            second_entered.set()
            assert first_left.wait(10)

    with ThreadPoolExecutor(2) as threads:
        for work in [threads.submit(process_first), threads.submit(process_second)]:
            work.result()
    a, b, c = (IDENTITY.window_id(window.job.key) for window in first + second)
    assert reports == [{a, b}, {a, b, c}, {c}, set()]
