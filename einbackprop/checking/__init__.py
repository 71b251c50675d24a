"""A verdict for every gradient: what you return, held against a reference that shares no code with `derive`."""
