"""Asks a limiter in a process of its own, with several threads: ``limiter_worker FOLDER RATE SECONDS THREADS``."""

import sys
import threading
import time
from pathlib import Path

from embeddings_orch.policy.limiter import Limiter, RateLimits

folder, rate, seconds, threads = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
limiter = Limiter("account", RateLimits(requests_per_minute=rate), folder)
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + seconds
lock, times = threading.Lock(), []


def work():
    while time.monotonic() < end:
        limiter.acquire(0)
        with lock:
            times.append(time.monotonic())


workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(*times)
