"""How all of favor-mini that starts from nothing learns, from what is known of the generated world.

The parts of the large model come trained; those of favor-mini do not, and the answers' loss alone would teach them
slowly. So the ViT is told what lies on each patch, the Q-Formers which tokens to make, and the LLM what stands in these
tokens until they are made. ``python -m mini.pretrain`` reads one model folder and writes another.
"""
