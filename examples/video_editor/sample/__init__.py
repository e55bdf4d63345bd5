"""The bundled clip, and the command that made it."""
