"""tapehead for stock mitmproxy tools.

    mitmdump -s addons/collection.py --set tapehead_record=recordings
    mitmdump -s addons/collection.py --set tapehead_replay=recordings/timeline-1.jsonl

tapehead has to be installed where the mitmproxy tool is.
"""

from tapehead.mitmproxy_script.collection import addons as addons
