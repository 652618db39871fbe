"""A process that queries a published index without pause until its standard input ends, and logs every answer.

Arguments: the store, the pipeline, the index, the log. A line of the log is a JSON object: ``asked`` and ``answered``
in seconds since 1970, ``query``, and either ``generation`` and ``hits`` (id and distance) or ``error``.
"""

import json
import sys
import threading
import time
import traceback
from itertools import count

from embeddings_orch.search import Index
from embeddings_orch.store import Store


def main(store, pipeline, name, log):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    index = Index(Store(store), pipeline, name)
    with open(log, "w") as file:
        for number in count():
            if ended.is_set():
                break
            said = {"query": f"query {number % 50}", "asked": time.time()}
            try:
                found = index.search(said["query"])
                said |= {"generation": found.generation, "hits": [[hit.id, hit.distance] for hit in found.hits]}
            except Exception:
                said["error"] = traceback.format_exc()
            file.write(json.dumps({**said, "answered": time.time()}) + "\n")
            if number == 0:
                file.flush()


main(*sys.argv[1:])
