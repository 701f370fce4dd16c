"""Recordings on disk: capture, pipeline, writer, files, rotation, reader. No proxy and no terminal."""
