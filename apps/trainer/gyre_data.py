"""Streams the images of a dataset version to a trainer written in Python: one file, the standard library, torch if it is there.

    ./gyre dataset stream parts@latest parts.json       # where the packs are, and in which order they are read

    from gyre_data import GyreStream
    stream = GyreStream("parts.json", seed=7, transform=decode)            # decode(bytes) -> tensor
    for epoch in range(30):
        stream.set_epoch(epoch)
        for images, labels in torch.utils.data.DataLoader(stream, batch_size=64, num_workers=4):
            ...

The order is the one that core/streaming/order.ts computes (O1, O2 there): the same seed gives the same order in both
languages, whatever the number of ranks. Packs are read in blocks ahead of need; one window of blocks is in memory.
"""

import array
import bisect
import collections
import concurrent.futures
import hashlib
import itertools
import json
import mmap
import os
import struct
import sys
import urllib.request

try:
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError:
    IterableDataset = object

    def get_worker_info():
        return None


MAGIC = b"GYRESTR1"
READS_AHEAD = 16
READERS = 8
# A permutation of so many numbers is sorted in two pieces, the first of them this part of it.
SORTED_WHOLE = 4096
FIRST_PIECE = 32


class GyreDataError(Exception):
    """What cannot be streamed, with the reason and the remedy in its words."""


class GyreStream(IterableDataset):
    """The samples of one rank, as (image, label): label is a number in `classes`, -1 where there is none.

    description: the file of `gyre dataset stream`, or what is in it.
    transform:   from the bytes of an image file to what training wants; the bytes themselves where left out.
    rank, world: this process among all that train together; workers of a DataLoader share their rank's part.
    uneven:      ranks get equally many: "pad" gives some samples twice, "drop" leaves some out.
    check:       every image is checked against its digest.
    """

    def __init__(self, description, *, seed=7, shuffle=True, window_blocks=128, rank=0, world=1, uneven="pad",
                 transform=None, check=True):
        if not 0 <= rank < world:
            raise GyreDataError(f"rank {rank} is not one of {world}; ranks count from 0")
        if uneven not in ("pad", "drop"):
            raise GyreDataError(f"uneven is {uneven!r}; it is 'pad' or 'drop'")
        if isinstance(description, (str, os.PathLike)):
            with open(description, encoding="utf-8") as file:
                description = json.load(file)
        self.description = description
        self.seed, self.shuffle, self.window_blocks = seed, shuffle, window_blocks
        self.rank, self.world, self.uneven = rank, world, uneven
        self.transform, self.check = transform, check
        self._index = None
        header = self.index.header
        self.version, self.classes, self.samples = header["version"], header["classes"], header["samples"]
        self.set_epoch(0)

    def __getstate__(self):
        # Workers that are spawned map the index anew.
        return {**self.__dict__, "_index": None}

    @property
    def index(self):
        if self._index is None:
            self._index = _Index(_index_bytes(self.description["index"]))
        return self._index

    def set_epoch(self, epoch):
        """Goes to the beginning of an epoch."""
        self._place = {"version": self.version, "seed": self.seed, "epoch": epoch, "rest": [[0, self.samples]]}

    def __len__(self):
        """Samples that this rank gets from here to the end of the epoch."""
        return _share(_count(self._place["rest"]), self.world, self.uneven)

    def resume(self, place):
        """Goes to a place that `place_after` gave, here or in a stream of another number of ranks or workers."""
        if (place["version"], place["seed"]) != (self.version, self.seed):
            raise GyreDataError(
                f"the place belongs to version {place['version'][:12]} and seed {place['seed']}, the stream to "
                f"{self.version[:12]} and {self.seed}; open the stream of that version with that seed")
        self._place = place

    def place_after(self, taken, *, batch_size=1, workers=0):
        """Where all ranks stand once each had `taken` samples since the current place; JSON, the same on every rank.

        batch_size, workers: as given to the DataLoader, which takes whole batches from its workers in turn.
        """
        workers = max(1, workers)
        batches, odd = divmod(taken, batch_size)
        if odd and workers > 1:
            raise GyreDataError(f"{taken} samples are no whole number of batches of {batch_size}")
        slices, rest = self.world * workers, self._place["rest"]
        total = _count(rest)
        share = _share(total, slices, self.uneven)
        left = []
        for number in range(slices):
            given = taken if workers == 1 else batch_size * len(range(number % workers, batches, workers))
            left += _slice(rest, min(total, number * share + given), min(total, (number + 1) * share))
        left = _joined(left)
        if left:
            return {**self._place, "rest": left}
        return {**self._place, "epoch": self._place["epoch"] + 1, "rest": [[0, self.samples]]}

    def order(self):
        """Numbers of the samples that come next, in order, without reading any of them."""
        return [sample for samples, _, _ in self._windows() for sample in samples]

    def digest(self, sample):
        return self.index.digest(sample).hex()

    def __iter__(self):
        index, transform, check = self.index, self.transform, self.check
        with _Places(self.description["places"]) as places:
            for sample, block, data in _read_ahead(index, places, self._windows()):
                start = index.offset[sample] - index.offset[index.starts[block]]
                image = data[start:start + index.size[sample]]
                if check and hashlib.sha256(image).digest() != index.digest(sample):
                    raise GyreDataError(f"image {self.digest(sample)} does not have its digest; it was deleted, or its pack is damaged")
                yield (transform(image) if transform else image), index.label[sample]

    def _windows(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rest, epoch = self._place["rest"], self._place["epoch"]
        spans = _spans_of(rest, self.rank * workers + worker, self.world * workers, self.uneven)
        return _windows(self.index.starts, spans, self.seed, epoch, self.window_blocks, self.shuffle)


class _Index:
    """Columns of the file that core/streaming/stream-index.ts describes, as views without a copy."""

    def __init__(self, data):
        if data[:len(MAGIC)] != MAGIC:
            raise GyreDataError("the index is no index of a stream; describe the stream again")
        (length,) = struct.unpack_from("<I", data, len(MAGIC))
        at = len(MAGIC) + 4
        self.header = json.loads(bytes(data[at:at + length]))
        self._view, self._at = memoryview(data), at + length
        samples, blocks = self.header["samples"], self.header["blocks"]
        self.starts = self._column("I", blocks + 1)
        self.place, self.offset, self.size = (self._column("I", samples) for _ in range(3))
        self.label = self._column("i", samples)
        self._digests = self._column("B", samples * 32)

    def _column(self, kind, count):
        end = self._at + count * struct.calcsize(kind)
        column, self._at = self._view[self._at:end].cast(kind), end
        return column

    def digest(self, sample):
        return bytes(self._digests[sample * 32:sample * 32 + 32])


def _index_bytes(index):
    at = index["at"]
    if at.startswith(("http://", "https://")):
        with urllib.request.urlopen(at) as answer:
            return answer.read()
    with open(at, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class _Places:
    """Reads ranges of packs: files of this machine, or addresses that need no login."""

    def __init__(self, places):
        self._places = places
        self._files = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for file in self._files.values():
            os.close(file)

    def read(self, place, start, length):
        at = self._places[place]
        if at is None:
            raise GyreDataError("an image of this version stays in a bucket of its own; stream it in TypeScript, or import its bytes")
        if at.startswith(("http://", "https://")):
            request = urllib.request.Request(at, headers={"Range": f"bytes={start}-{start + length - 1}"})
            with urllib.request.urlopen(request) as answer:
                data = answer.read()
                return data if answer.status == 206 else data[start:start + length]
        if place not in self._files:
            self._files[place] = os.open(at, os.O_RDONLY)
        return os.pread(self._files[place], length, start)


class _Load:
    """One block, within one window."""

    __slots__ = ("block", "left", "data", "begun")

    def __init__(self, block, left):
        self.block, self.left, self.data, self.begun = block, left, None, False


def _read_ahead(index, places, windows):
    """Yields (sample, block, bytes of the block); blocks are read a few ahead and forgotten with their last sample."""
    pool = concurrent.futures.ThreadPoolExecutor(READERS)
    planned = collections.deque()

    def coming():
        window, loads = None, {}
        for samples, blocks, left in windows:
            if left is not window:  # Pieces of one window share its loads.
                window, loads = left, {block: _Load(block, count) for block, count in left.items()}
            planned.append((samples, blocks, loads))
            for block in dict.fromkeys(blocks):
                if not loads[block].begun:
                    loads[block].begun = True
                    yield loads[block]

    unread, ahead = coming(), collections.deque()

    def read_on():
        for load in itertools.islice(unread, READS_AHEAD - len(ahead)):
            load.data = pool.submit(_read_block, index, places, load.block)
            ahead.append(load)

    try:
        read_on()
        while planned:
            samples, blocks, loads = planned.popleft()
            for sample, block in zip(samples, blocks):
                load = loads[block]
                if ahead and ahead[0] is load:  # Loads are wanted in the order in which they were begun.
                    ahead.popleft()
                    load.data = load.data.result()
                    read_on()
                yield sample, block, load.data
                load.left -= 1
                if load.left == 0:
                    load.data = None
            read_on()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_block(index, places, block):
    first, last = index.starts[block], index.starts[block + 1] - 1
    start = index.offset[first]
    return places.read(index.place[first], start, index.offset[last] + index.size[last] - start)


def permutation(count, name):
    """The numbers below `count`, sorted by keys that `name` determines; equal keys keep their order."""
    return list(itertools.chain.from_iterable(_permutation(count, name)))


def _permutation(count, name):
    """The same in pieces, a small one first: the first samples come before many are sorted."""
    keys = array.array("I", hashlib.shake_256(f"gyre-stream-1/{name}".encode()).digest(4 * count))
    if sys.byteorder == "big":
        keys.byteswap()
    bound = 2**32 if count < SORTED_WHOLE else 2**32 // FIRST_PIECE
    yield sorted([i for i, key in enumerate(keys) if key < bound], key=keys.__getitem__)
    if count >= SORTED_WHOLE:
        yield sorted([i for i, key in enumerate(keys) if key >= bound], key=keys.__getitem__)


def _windows(starts, spans, seed, epoch, window_blocks, shuffle):
    """(samples, their blocks, samples of each block in the window) at the positions in `spans`, in order.

    At most one window at a time, in one piece or more, which share the third.
    """
    count = len(starts) - 1
    blocks = permutation(count, f"{seed}/{epoch}/blocks") if shuffle else list(range(count))
    ends = list(itertools.accumulate(starts[block + 1] - starts[block] for block in blocks))
    window_ends = ends[window_blocks - 1::window_blocks]
    if len(window_ends) * window_blocks < count:
        window_ends.append(ends[-1])
    for start, end in spans:
        number = bisect.bisect_right(window_ends, start)
        while start < end:
            mixed = blocks[number * window_blocks:(number + 1) * window_blocks]
            left = {block: starts[block + 1] - starts[block] for block in mixed}
            samples, owners = [], []
            for block in mixed:
                samples += range(starts[block], starts[block + 1])
                owners += [block] * left[block]
            before = window_ends[number] - len(samples)
            stop = min(end, window_ends[number])
            name = f"{seed}/{epoch}/window/{number}"
            pieces = _permutation(len(samples), name) if shuffle else [range(len(samples))]
            if stop - start < len(samples):
                part = list(itertools.chain.from_iterable(pieces))[start - before:stop - before]
                left, pieces = collections.Counter(owners[place] for place in part), [part]
            for places in pieces:
                yield [samples[place] for place in places], [owners[place] for place in places], left
            start, number = stop, number + 1


def _count(spans):
    return sum(end - start for start, end in spans)


def _share(total, world, uneven):
    return -(-total // world) if uneven == "pad" else total // world


def _spans_of(rest, rank, world, uneven):
    """Of what is left, the part of one rank."""
    total = _count(rest)
    share = _share(total, world, uneven)
    start, end = rank * share, (rank + 1) * share
    own = _slice(rest, min(start, total), min(end, total))
    padded = max(start, total)
    while padded < end and total > 0:  # Padding begins again at the front.
        first = padded % total
        last = min(total, first + end - padded)
        own += _slice(rest, first, last)
        padded += last - first
    return own


def _slice(spans, start, end):
    """Elements [start, end) of all spans taken as one list."""
    out, before = [], 0
    for first, last in spans:
        low, high = max(start - before, 0), min(end - before, last - first)
        if low < high:
            out.append([first + low, first + high])
        before += last - first
    return out


def _joined(spans):
    """Spans that touch become one."""
    out = []
    for start, end in spans:
        if out and out[-1][1] == start:
            out[-1][1] = end
        else:
            out.append([start, end])
    return out
