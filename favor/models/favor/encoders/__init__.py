"""The frozen encoders: what is seen, said and heard becomes features that do not depend on the prompt."""
