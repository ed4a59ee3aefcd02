"""What the fakes share: the log of calls (in the file ``FAKE_LOG``), and the queues of work."""

# mypy: ignore-errors

import json
import os

STREAMS = {}


def note(*call):
    with open(os.environ["FAKE_LOG"], "a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\n")
