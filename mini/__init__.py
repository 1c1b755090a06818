"""Pretraining of favor-mini's randomly initialised parts on the ground truth of the generated world.

The parts of the large model are pretrained; those of favor-mini are not, and the answer loss alone would train them
slowly. So the ViT is supervised with the content of each patch and the Q-Formers with target tokens, which the LLM
reads until the Q-Formers can produce them. ``python -m mini.pretrain`` reads one model folder and writes another.
"""
