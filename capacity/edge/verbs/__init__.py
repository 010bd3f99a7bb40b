"""The verbs of the command, each kind in a room of its own; they load what they need when they are called."""
