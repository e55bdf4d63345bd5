"""The log: events, their codec, keys and errors, append and read, the Faust transport."""
