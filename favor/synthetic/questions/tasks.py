"""The questions about a scene for each task."""

import dataclasses

from favor.prompts import CAPTION_PROMPT, TRANSCRIBE_PROMPT
from favor.synthetic.chance import Rng, chance, pick
from favor.synthetic.questions.captions import caption, full_name, picture_caption, sound_caption
from favor.synthetic.questions.items import BOTH, HEARD, SEEN, STATIC, YES_NO, Item, shuffled_choices
from favor.synthetic.questions.looking import looking_questions, objects
from favor.synthetic.questions.watching import watching_questions
from favor.synthetic.scene import Figure, Scene
from favor.synthetic.vocabulary import place_phrase, spoken_words, with_article
from favor.synthetic.writing.scenes import with_voice, write_picture

Written = tuple[Scene, list[Item]]

IC_QUESTIONS = ("Write a short description about this image.", "Describe the image.", "What is in the picture?")
AC_QUESTIONS = ("Describe the sounds.", "What do you hear?", "Write a short description of the audio.")
OCR_QUESTIONS = ("What does the sign say?", "What is written on the sign?", "Read the text in the picture.")
ASR_QUESTIONS = (TRANSCRIBE_PROMPT, "Write down what is said.", "What does the voice say?")
AVSR_QUESTIONS = (
    TRANSCRIBE_PROMPT,
    "Can you transcribe the speech into text, paying attention to the video?",
    "Write down what is said in the video.",
)
ISQA_QUESTIONS = ("Answer the question in the audio.", "Please answer the spoken question.", "What is the answer?")
AVM_QUESTIONS = (
    "Is the audio compatible with the video?",
    "Does the audio belong to the video?",
    "Do sound and picture belong together?",
)
AVSSD_QUESTIONS = ("What is the source of the sound?", "Which object makes the sound?", "What makes the sound?")


def _needs(scene: Scene) -> frozenset[str]:
    if scene.picture == "none":
        return HEARD
    return BOTH if scene.sounds or scene.utterances else SEEN


def captions(rng: Rng, scene: Scene) -> list[Item]:
    """Returns the questions for the full caption, and for that of a still image or of sounds alone."""
    items = [Item("caption", CAPTION_PROMPT, caption(scene), None, _needs(scene))]
    if scene.picture == "image":
        items.append(Item("ic", pick(rng, IC_QUESTIONS), picture_caption(scene), None, SEEN))
    if scene.picture == "none" and scene.sounds:
        items.append(Item("ac", pick(rng, AC_QUESTIONS), sound_caption(scene), None, HEARD))
    return items


def transcript(rng: Rng, scene: Scene, task: str) -> list[Item]:
    """Returns the question for the transcript; half of the time it is the prompt of the transcription command."""
    questions = ASR_QUESTIONS if task == "asr" else AVSR_QUESTIONS
    question = TRANSCRIBE_PROMPT if chance(rng, 0.5) else pick(rng, questions)
    return [Item(task, question, scene.transcript, None, HEARD if task == "asr" else BOTH)]


def reading(rng: Rng, scene: Scene) -> list[Item]:
    """Returns the question for the text of each sign."""
    return [Item("ocr", pick(rng, OCR_QUESTIONS), sign.text, STATIC, SEEN) for sign in scene.signs]


def watching(rng: Rng, scene: Scene) -> list[Item]:
    """Returns questions about a video, of all three kinds."""
    return [*looking_questions(rng, scene, "video_qa"), *watching_questions(rng, scene)]


def spoken_question(rng: Rng, scene: Scene) -> Written:
    """Returns an image with a spoken question about it; the written question only refers to the spoken one."""
    items = [(item, _plain(item.question)) for item in looking_questions(rng, scene, "isqa")]
    items = [(item, text) for item, text in items if set(text.split()) <= set(spoken_words())]
    item, text = pick(rng, items)
    asked = dataclasses.replace(item, question=pick(rng, ISQA_QUESTIONS), needs=BOTH)
    return with_voice(rng, scene, text), [asked]


def _plain(text: str) -> str:
    return text.lower().replace("?", "").replace(",", "")


def spoken_description(rng: Rng, scene: Scene) -> Written:
    """Returns an image in which a voice describes a figure, or one that is not there at the same place."""
    figure = pick(rng, scene.figures)
    compatible = chance(rng, 0.5)
    name = full_name(figure) if compatible else full_name(_another(rng, scene, figure))
    text = f"{with_article(name)} is {place_phrase(*figure.place(0))}"
    spoken = dataclasses.replace(with_voice(rng, scene, text), compatible=compatible)
    return spoken, match(rng, spoken)


def _another(rng: Rng, scene: Scene, figure: Figure) -> Figure:
    """Returns the figure with another colour, shape or both, so that it matches no figure of the scene."""
    names = {other.name for other in scene.figures}
    while True:
        other = pick(rng, write_picture(rng).figures)
        colour, shape = pick(
            rng, ((other.colour, other.shape), (other.colour, figure.shape), (figure.colour, other.shape))
        )
        if f"{colour} {shape}" not in names:
            return dataclasses.replace(figure, colour=colour, shape=shape)


def match(rng: Rng, scene: Scene) -> list[Item]:
    """Returns the question of whether sound and picture belong together."""
    return [Item("avm", pick(rng, AVM_QUESTIONS), "yes" if scene.compatible else "no", None, BOTH, YES_NO)]


def source(rng: Rng, scene: Scene) -> list[Item]:
    """Returns the question for the source of the only sound."""
    figure = scene.figures[scene.sounds[0].source or 0]
    answer = f"the {figure.name}"
    choices = shuffled_choices(rng, answer, objects(rng, scene))
    return [Item("avssd", pick(rng, AVSSD_QUESTIONS), answer, None, BOTH, choices)]
