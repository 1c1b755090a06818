"""What scenes say is checked against the pixels and samples that come of them."""

import numpy as np
import pytest

from favor.synthetic.rendering import voices
from favor.synthetic.rendering.picture import draw, sign_box
from favor.synthetic.rendering.sound import WAVES, render_sound
from favor.synthetic.scene import Event, Figure, Scene, Sign, Sound, Waypoint
from favor.synthetic.vocabulary import COLOURS, SIZES, SOUNDS
from favor.synthetic.world import write

SIZE = 128
RATE = 16_000


def scenes(task, count):
    """The scenes of the first clips made for a task."""
    return [write(11, index, [task])[0] for index in range(count)]


def near(frame, colour):
    """Where a frame has a colour of the vocabulary, or the darker one of its stripes and spots."""
    rgb = frame.astype(int)
    full, shade = np.array(COLOURS[colour]), np.round(np.array(COLOURS[colour]) * 0.45)
    return np.minimum(abs(rgb - full).max(-1), abs(rgb - shade).max(-1)) < 12


def around(frame, figure, time):
    """The pixels within half a figure's half height of its middle."""
    x, y = figure.place(time)
    reach = SIZES[figure.size] / 2
    rows, columns = ((np.arange(SIZE) + 0.5) / SIZE for _ in range(2))
    return frame[np.abs(rows - y) < reach][:, np.abs(columns - x) < reach]


def test_figures_have_the_colour_and_the_place_that_the_scene_says():
    seen = 0
    for scene in scenes("video_qa", 40):
        for time in np.arange(0, scene.seconds, 0.5):
            frame = draw(scene, time, SIZE)
            for figure in scene.figures:
                if figure.is_shown(time):
                    assert near(around(frame, figure, time), figure.colour_at(time)).mean() > 0.35, (figure, time)
                    seen += 1
    assert seen > 500


def test_a_figure_is_gone_when_it_vanishes():
    vanished = 0
    for scene in scenes("video_qa", 80):
        for event in (event for event in scene.events if event.kind == "vanish"):
            figure = scene.figures[event.figure]
            before, after = draw(scene, event.time - 1e-3, SIZE), draw(scene, event.time, SIZE)
            changed = np.abs(before.astype(int) - after).sum(-1) > 30
            assert around(changed[..., None], figure, event.time).mean() > 0.7
            vanished += 1
    assert vanished > 10


def test_a_flash_is_seen_in_at_least_one_frame_and_not_in_all():
    flashes = 0
    for scene in scenes("avssd", 20):
        times = np.arange(0, scene.seconds, 0.5)
        for figure in scene.figures:
            for start, end in figure.flashes:
                assert any(start <= time < end for time in times)
                assert end - start < 1
                x, y = figure.place(start)
                beside = (round(y * SIZE), round((x + 1.35 * SIZES[figure.size]) * SIZE) - 1)
                quiet, bright = draw(scene, start - 1e-3, SIZE), draw(scene, start, SIZE)
                if beside[1] < SIZE and figure.shape == "circle":
                    assert bright[beside].sum() > quiet[beside].sum()
                assert (bright != quiet).any()
                flashes += 1
    assert flashes > 20


def test_things_that_hit_each_other_touch_at_that_time_only():
    hits = 0
    for scene in scenes("video_qa", 80):
        for event in (event for event in scene.events if event.kind == "hit"):
            one, other = scene.figures[event.figure], scene.figures[event.other]

            def gap(time, one=one, other=other):
                return np.hypot(*np.subtract(one.place(time), other.place(time))) - SIZES[one.size] - SIZES[other.size]

            assert abs(gap(event.time)) < 0.02
            assert gap(event.time - 0.7) > 0.05
            hits += 1
    assert hits > 10


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_sound_begins_when_the_scene_says(kind):
    samples = render_sound(Scene(5.0, sounds=(Sound(kind, 3.0, 0.6),), noise=0.002))
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    assert 3.0 <= loud[0] / RATE < 3.03
    assert loud[-1] / RATE < 3.6


def test_every_sound_has_a_spectrum_of_its_own():
    times = np.arange(RATE, dtype=np.float32) / RATE

    def spectrum(kind, pitch):
        power = np.abs(np.fft.rfft(WAVES[kind](times, pitch).astype(np.float32))) ** 2
        bands = np.add.reduceat(power, np.unique(np.geomspace(30, 8000, 40).astype(int)))
        return np.sqrt(bands / bands.sum())

    templates = {kind: spectrum(kind, 1.0) for kind in SOUNDS}
    for kind in SOUNDS:
        likeness = {other: spectrum(kind, 1.03) @ template for other, template in templates.items()}
        assert max(likeness, key=likeness.get) == kind, likeness


def test_sounds_of_events_begin_with_them():
    tied = 0
    for scene in scenes("video_qa", 40):
        samples = render_sound(scene)
        for event in (event for event in scene.events if event.sound is not None):
            onset = round(event.time * RATE)
            assert scene.sounds[event.sound].time == event.time
            before = np.abs(samples[onset - RATE // 20 : onset]).max()
            assert np.abs(samples[onset : onset + RATE // 20]).max() > 4 * before
            tied += 1
    assert tied > 20


def test_words_lie_where_the_transcript_says():
    words = 0
    for scene in scenes("asr", 10):
        samples = render_sound(scene)
        spoken = [(utterance, word) for utterance in scene.utterances for word in utterance.words]
        assert scene.transcript.split() == [word.text for _, word in spoken]
        for utterance, word in spoken:
            voice = voices.word_samples(utterance.voice, word.text, utterance.percent)
            first = round(word.start * RATE)
            part = samples[first : first + len(voice)]
            assert np.corrcoef(part, voice)[0, 1] > 0.8, word
            assert abs(len(voice) / RATE - (word.end - word.start)) < 1e-3
            words += 1
    assert words > 30


def test_there_is_silence_between_words_and_around_them():
    scene = scenes("asr", 1)[0]
    first, last = scene.utterances[0].words[0], scene.utterances[-1].words[-1]
    samples = np.abs(render_sound(scene))
    quiet = 6 * scene.noise + 1e-3
    assert samples[: round(first.start * RATE)].max() < quiet
    assert samples[round(last.end * RATE) + 1 :].max() < quiet


@pytest.mark.parametrize("dark", [False, True])
def test_a_sign_is_where_its_box_is_and_has_letters(dark):
    sign = Sign("hotel", 0.45, 0.87, 0.2, dark)
    frame = draw(Scene(1.0, "grey", signs=(sign,)), 0.0, SIZE)
    bare = draw(Scene(1.0, "grey"), 0.0, SIZE)
    rows, columns = np.nonzero((frame != bare).any(-1))
    left, top, right, bottom = (edge * SIZE for edge in sign_box(sign))
    np.testing.assert_allclose(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], [left, top, right, bottom], atol=1.5
    )
    plate = frame[round(top) + 4 : round(bottom) - 4, round(left) + 4 : round(right) - 4].mean(-1)
    ink = plate > 128 if dark else plate < 128
    assert 0.1 < ink.mean() < 0.5


def test_a_sign_stays_in_the_picture_and_free_of_figures():
    for scene in scenes("ocr", 60):
        for sign in scene.signs:
            left, top, right, bottom = sign_box(sign)
            assert left >= 0, sign
            assert right <= 1, sign
            for figure in scene.figures:
                _, y = figure.place(0)
                radius = SIZES[figure.size]
                assert y - radius > bottom - 0.03 or y + radius < top + 0.03, (sign, figure)


def test_a_path_is_straight_and_rests_at_its_ends():
    path = (Waypoint(1.0, 0.2, 0.5), Waypoint(2.0, 0.8, 0.5))
    figure = Figure("circle", "red", "small", "plain", path, turns=((1.5, "blue"),))
    assert figure.place(0.0) == (0.2, 0.5)
    assert figure.place(1.5) == (0.5, 0.5)
    assert figure.place(9.0) == (0.8, 0.5)
    assert (figure.colour_at(1.4), figure.colour_at(1.5), figure.name_before(1.5)) == ("red", "blue", "red circle")


def test_foreign_sounds_are_far_from_every_flash():
    foreign = [scene for scene in scenes("avm", 60) if not scene.compatible and scene.picture == "video"]
    assert len(foreign) > 5
    for scene in foreign:
        assert scene.sounds
        assert all(event.sound is None for event in scene.events)
        distances = [abs(event.time - sound.time) for event in scene.events for sound in scene.sounds]
        assert min(distances) > 0.5


def test_neither_sound_nor_picture_alone_tells_whether_they_belong_together():
    made = [scene for scene in scenes("avm", 600) if scene.picture == "video"]
    compatible = np.array([scene.compatible for scene in made])
    facts = {
        "length": [scene.seconds for scene in made],
        "sounds": [len(scene.sounds) for scene in made],
        "flashes": [len(scene.events) for scene in made],
        "first sound": [scene.sounds[0].time for scene in made],
        "silence at the end": [scene.seconds - scene.sounds[-1].time for scene in made],
    }
    for name, values in facts.items():
        right = [np.mean((np.array(values) > limit) == compatible) for limit in np.unique(values)]
        assert max(*right, *(1 - np.array(right))) < 0.62, name


def test_events_name_their_causes():
    for scene in scenes("video_qa", 60):
        for event in scene.events:
            if event.cause is not None:
                cause: Event = scene.events[event.cause]
                assert (cause.kind, cause.other, cause.time) == ("hit", event.figure, event.time)
