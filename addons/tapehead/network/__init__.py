"""Access policy for listeners, and the guard that keeps offline commands off the network."""
