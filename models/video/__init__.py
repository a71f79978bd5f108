"""One published video system a file."""
