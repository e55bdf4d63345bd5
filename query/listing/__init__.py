"""Jobs as lists show them: which there are, newest first, and each in a line."""
