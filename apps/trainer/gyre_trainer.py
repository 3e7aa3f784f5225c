"""The trainer contract for programs in Python: what goes in, what comes out, how one ends. The standard library alone.

    import gyre_trainer

    def main(job):
        manifest = job.manifest()
        ...
        for step in range(first, steps):
            job.at_a_stop(save)                    # a checkpoint once a minute; on SIGTERM one more, then exit code 76
            job.progress(step, steps, "steps", lambda: f"loss {loss():.2f}")
        job.keep("model.onnx", data)

    gyre_trainer.run(main)

`$GYRE_INPUT` holds `input.json` and the files that it names; what lies in `$GYRE_OUTPUT` at the end is kept; a checkpoint in
`$GYRE_CHECKPOINTS` is there again in the next attempt. docs/training.md has the whole contract.
"""

import hashlib
import json
import os
import signal
import sys
import time
import traceback

OK = 0
# An environment variable is missing; the input is at fault; the installation is at fault. Trying again cannot help.
USAGE, DATA, CONFIG = 64, 65, 78
# Trying again can help; stopped on SIGTERM, with a checkpoint.
AGAIN, YIELDED = 75, 76

PROGRESS_EVERY_SECONDS = 1
CHECKPOINT_EVERY_SECONDS = 60

MAGIC = b"GYRECKP1"


class TrainerError(Exception):
    """Why a training cannot be carried out, in one sentence with the remedy."""

    def __init__(self, message, exit_code=DATA):
        super().__init__(message)
        self.exit_code = exit_code


class Yield(Exception):
    """The trainer was told to stop, and its checkpoint is written."""


class Job:
    """One training: its files, its progress, its checkpoint."""

    def __init__(self, environment):
        missing = [name for name in ("GYRE_INPUT", "GYRE_OUTPUT") if not environment.get(name)]
        if missing:
            raise TrainerError(f"{' and '.join(missing)} must name the folders of inputs and outputs", USAGE)
        self.input, self.output = environment["GYRE_INPUT"], environment["GYRE_OUTPUT"]
        self.told_to_stop = False
        self._checkpoints = environment.get("GYRE_CHECKPOINTS") or None
        self._every = float(environment.get("GYRE_CHECKPOINT_SECONDS") or CHECKPOINT_EVERY_SECONDS)
        self._saved = time.monotonic()
        self._told = None

    def manifest(self, **fields):
        """`input.json`. fields: for each one that the trainer reads, a function that tells whether a value will do."""
        try:
            with open(self.file("input.json"), encoding="utf-8") as file:
                manifest = json.load(file)
        except (OSError, ValueError) as error:
            raise TrainerError(f"input.json cannot be read: {error}") from error
        for name, will_do in fields.items():
            if name not in manifest:
                raise TrainerError(f"input.json lacks {name}")
            if not will_do(manifest[name]):
                raise TrainerError(f"input.json has {name} = {json.dumps(manifest[name])}, which this trainer does not take")
        self._identity = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).digest()
        return manifest

    def file(self, name):
        """The path of an input."""
        return os.path.join(self.input, name)

    def keep(self, name, data):
        """Writes an output whole."""
        _write_whole(os.path.join(self.output, name), data)

    def progress(self, done, total, unit, note, *, last=False):
        """Tells how far the training is, at most once a second but for the last. note: words, or a function that gives them."""
        now = time.monotonic()
        if not last and self._told is not None and now - self._told < PROGRESS_EVERY_SECONDS:
            return
        self._told = now
        say(json.dumps({"progress": {"done": done, "total": total, "unit": unit, "note": note() if callable(note) else note}}))

    def checkpoint(self):
        """The bytes of the last checkpoint of this very training; None where there is none that is whole."""
        if self._checkpoints is None:
            return None
        try:
            with open(self._checkpoint_file(), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        head = len(MAGIC) + 64
        whole, body = data[:len(MAGIC)] == MAGIC and len(data) >= head, data[head:]
        if not whole or hashlib.sha256(body).digest() != data[len(MAGIC):len(MAGIC) + 32]:
            say("the checkpoint is damaged; the training begins anew")
            return None
        if data[len(MAGIC) + 32:head] != self._identity:
            say("the checkpoint is of another training; this one begins anew")
            return None
        return body

    def at_a_stop(self, save):
        """To be called between two steps. save: gives the bytes of a checkpoint. Ends the training if it was told to stop."""
        due = time.monotonic() - self._saved >= self._every
        if not (self.told_to_stop or due):
            return
        if self._checkpoints is not None:
            body = save()
            _write_whole(self._checkpoint_file(), MAGIC + hashlib.sha256(body).digest() + self._identity + body)
            self._saved = time.monotonic()
        if self.told_to_stop:
            raise Yield()

    def _checkpoint_file(self):
        return os.path.join(self._checkpoints, "checkpoint")


def say(line):
    """A line of standard output: progress as JSON, or words for the log of the step."""
    print(line, flush=True)


def run(main):
    """Carries out `main(job)` and ends the process as the contract has it."""
    sys.exit(_outcome(main))


def _outcome(main):
    try:
        job = Job(os.environ)
        signal.signal(signal.SIGTERM, lambda *_: setattr(job, "told_to_stop", True))
        main(job)
        return OK
    except Yield:
        return YIELDED
    except TrainerError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:  # A full disk, a file system that went away.
        traceback.print_exc()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return AGAIN


def _write_whole(target, data):
    """Whoever finds the file finds all of it, whenever this process or its machine ends."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = f"{target}.part"
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)
