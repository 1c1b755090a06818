"""The text around the audio-visual tokens, for single questions and for dialogues (spec section 3)."""

from collections.abc import Sequence

CAPTION_PROMPT = "Describe what is seen and heard."
TRANSCRIBE_PROMPT = "Can you transcribe the speech into text?"


def dialogue(turns: Sequence[tuple[str, str]], question: str) -> str:
    r"""Writes a dialogue as one instruction, which can be asked like any question.

    Args:
        turns: earlier questions and their answers.
        question: the one to be answered now.

    Returns:
        ``{q}\nASSISTANT: {a}\n`` for the first turn, each further one led by `` USER: ``, then the question.
    """
    written = [f"{asked}\nASSISTANT: {answered}\n" for asked, answered in turns]
    return " USER: ".join([*written, question])
