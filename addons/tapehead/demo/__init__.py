"""The demonstration: a scripted player, documented timelines, and the run that `tapehead demo` shows."""
