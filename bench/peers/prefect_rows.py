"""The engine's benchmark rows as Prefect flows, on the server in PREFECT_API_URL.

Prints one JSON object per measured row: {"row", "executor", "ms", "count"}. Stops taking up rows when its time is over.
"""

import json
import os
import sys
import time

from prefect import flow, task, unmapped
from prefect.cache_policies import INPUTS, NO_CACHE

BUDGET_S = float(sys.argv[1])
CHAIN, FAN, MAP = (int(size) for size in sys.argv[2:5])
ENDS_AT = time.monotonic() + BUDGET_S
SALT = os.urandom(8).hex()


@task(cache_policy=NO_CACHE)
def add(n, salt):
    return n + 1


@task(cache_policy=INPUTS, persist_result=True)
def kept(n, salt):
    return n + 1


@flow
def chain_in_process(step, salt):
    n = 0
    for _ in range(CHAIN):
        n = step(n, salt)
    return n


@flow
def chain_submitted(step, salt):
    n = 0
    for _ in range(CHAIN):
        n = step.submit(n, salt)
    return n.result()


@flow
def fan(width):
    return sum(future.result() for future in [add.submit(n, SALT) for n in range(width)])


@flow
def over_items(count):
    return sum(add.map(list(range(count)), unmapped(SALT)).result())


def measure(row, executor, count, work):
    if time.monotonic() > ENDS_AT:
        return
    started = time.perf_counter()
    work()
    ms = (time.perf_counter() - started) * 1000 / count
    print(json.dumps({"row": row, "executor": executor, "ms": ms, "count": count}), flush=True)


measure("sequential-step-ms", "threads", CHAIN, lambda: chain_submitted(add, SALT))
measure("in-process-step-ms", "in process", CHAIN, lambda: chain_in_process(add, SALT))
chain_in_process(kept, SALT)
measure("cached-step-ms", "in process", CHAIN, lambda: chain_in_process(kept, SALT))
measure("fanout-500-ms-per-item", "threads", FAN, lambda: fan(FAN))
measure("map-10k-ms-per-item", "threads", MAP, lambda: over_items(MAP))
