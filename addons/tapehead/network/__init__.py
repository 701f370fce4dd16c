"""Access policy of listeners, and the guard that keeps an offline run offline. Nothing here listens or connects."""
