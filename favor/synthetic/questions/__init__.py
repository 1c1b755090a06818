"""What can be asked of a scene."""
