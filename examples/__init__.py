"""Examples: real programs that use `checkpoint`."""
