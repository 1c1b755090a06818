"""The text around the audio-visual tokens, for single questions and for dialogues (spec section 3)."""

from collections.abc import Sequence

CAPTION_PROMPT = "Describe what is seen and heard."
TRANSCRIBE_PROMPT = "Can you transcribe the speech into text?"


def dialogue(turns: Sequence[tuple[str, str]], question: str) -> str:
    r"""Formats a dialogue as one instruction, which can be used like a single question.

    Args:
        turns: earlier questions and their answers.
        question: the question to answer now.

    Returns:
        ``{q}\nASSISTANT: {a}\n`` for each turn, then the question, joined by `` USER: ``.
    """
    written = [f"{asked}\nASSISTANT: {answered}\n" for asked, answered in turns]
    return " USER: ".join([*written, question])
