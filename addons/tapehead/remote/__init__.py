"""Files in object storage (`s3://`, `gs://`): URLs, stores, and local copies of objects. No recording is known here.

`fsspec` and its file systems are loaded when the first store is opened, see `stores.py`.
"""
