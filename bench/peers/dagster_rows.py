"""The engine's benchmark rows as Dagster jobs, kept by the instance in DAGSTER_HOME.

Prints one JSON object per measured row: {"row", "executor", "ms", "count"}. Stops taking up rows when its time is over.
"""

import json
import sys
import time

from dagster import DagsterInstance, DynamicOut, DynamicOutput, execute_job, job, op, reconstructable

CHAIN, FAN, MAP = (int(size) for size in sys.argv[2:5]) if len(sys.argv) > 4 else (200, 500, 1000)
# An operating system process per step: a few are enough to know.
PROCESSES = 5


@op
def zero():
    return 0


@op
def add(n: int) -> int:
    return n + 1


@op
def total(values: list) -> int:
    return sum(values)


@op(out=DynamicOut())
def items():
    for n in range(MAP):
        yield DynamicOutput(n, mapping_key=str(n))


@job
def chain():
    n = zero()
    for index in range(CHAIN):
        n = add.alias(f"add_{index}")(n)


@job
def short_chain():
    n = zero()
    for index in range(PROCESSES):
        n = add.alias(f"add_{index}")(n)


@job
def fan():
    start = zero()
    total([add.alias(f"add_{index}")(start) for index in range(FAN)])


@job
def over_items():
    total(items().map(add).collect())


def in_process(what):
    return lambda instance: what.execute_in_process(instance=instance)


def measure(row, executor, count, work, instance):
    started = time.perf_counter()
    assert work(instance).success
    ms = (time.perf_counter() - started) * 1000 / count
    print(json.dumps({"row": row, "executor": executor, "ms": ms, "count": count}), flush=True)


def main():
    ends_at = time.monotonic() + float(sys.argv[1])
    rows = [
        ("sequential-step-ms", "a process per step", PROCESSES, lambda of: execute_job(reconstructable(short_chain), of)),
        ("in-process-step-ms", "in process", CHAIN, in_process(chain)),
        ("fanout-500-ms-per-item", "in process", FAN, in_process(fan)),
        ("map-10k-ms-per-item", "in process", MAP, in_process(over_items)),
    ]
    with DagsterInstance.get() as instance:
        for row in rows:
            if time.monotonic() < ends_at:
                measure(*row, instance)


if __name__ == "__main__":
    main()
