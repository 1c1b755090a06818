"""Questions about a scene, with their answers."""
