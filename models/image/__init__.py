"""The image systems, one paper a file."""
