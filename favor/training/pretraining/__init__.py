"""How favor-mini's parts learn before they are trained together, from what is known of the generated world.

The parts of the large model come trained; those of favor-mini start from nothing, and the answers' loss alone would
teach them slowly. The ViT learns what lies on each patch (``seeing``), the LLM to tell what is true (``telling``), the
Q-Formers to make what the LLM reads (``perceiving``), and then Q-Formers and LLM learn together (``joining``). Each is
a program that reads one model folder and writes another.
"""
