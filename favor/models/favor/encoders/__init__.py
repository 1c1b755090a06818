"""The frozen encoders of pictures, speech and sound events, whose features do not depend on the prompt."""
