"""FAVOR, the first family of models behind the seam. Read it in this order.

1. ``config.py``: the sizes that decide the graph; ``presets.py``: those of the named models.
2. ``model.py``: the whole model, from clips and prompts to answers.
3. ``encoders/``: ViT, Whisper and BEATs; ``features.py``: their features of a clip.
4. ``qformer.py``, then ``aligner.py``: synchronised frames become tokens of the LLM.
5. ``language.py``: the LLM and the prompt around those tokens; ``generation.py``: from prompts to answers.
6. ``folder.py``, ``loading.py``, ``saving.py``, ``quantization.py``: weights on disk and in memory.
7. ``memory.py`` and ``budget.py``: the memory this takes; ``family.py``: the family as the registry sees it.
"""
