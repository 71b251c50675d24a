"""Example scripts: what a user's file may look like. ``einbackprop example`` writes one out."""
