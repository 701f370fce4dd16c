"""Recordings on disk: capture, pipeline, writer, files, rotation, reader. No proxy and no terminal.

How a captured call gets to the disk:

1. The proxy takes a `CapturedCall` (capture.py) and hands it to the `BackgroundWriter` (writer.py), which queues it.
2. The writer's thread has `ExchangePipeline` (pipeline.py) check, redact and encode it; subscribers get the result.
3. The line goes to the `RotatingFile` (rotation.py), which begins a new file when one is full or was moved away,
4. and from there to the `RecordingFile` (recording_file.py), which appends it: all of it or nothing.
5. `Recorder` (recorder.py) puts these together; `RecordingReader` (reader.py) reads the files again.
"""
