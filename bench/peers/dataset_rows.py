"""One tool's rows of the area `dataset`: dataset_rows.py TOOL IMAGES WORK [DESCRIPTION], printed as JSON on the last line.

IMAGES is a folder of class folders, WORK an empty folder on the same disk. Every tool is called as its own documentation
does, in this one process, with its defaults; the start of Python and the imports of modules are not counted. What each
row takes in is said in docs/figures.md.
"""

import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time

ROWS = {}
CHANGED_SHARE = 0.01


def timed(row, work):
    started = time.perf_counter()
    result = work()
    ROWS[row] = time.perf_counter() - started
    return result


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def files_of(folder):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names)


def decode(data):
    from PIL import Image
    import numpy
    return numpy.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def epoch(samples):
    """Counts the samples of an epoch, each decoded."""
    return sum(1 for _ in samples)


def dvc(images, work):
    from dvc.repo import Repo
    data = shutil.copytree(images, os.path.join(work, "images"))
    git = lambda *words: subprocess.run(["git", "-C", work, "-c", "user.name=b", "-c", "user.email=b@b", *words], check=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    git("init", "-q")
    repo = Repo.init(work)
    with repo.config.edit("repo") as config:
        config["remote"] = {"local": {"url": os.path.join(work, "..", "remote")}}
        config["core"] = {"remote": "local", "analytics": False}
    repo = Repo(work)

    def add():
        repo.add(data)
        repo.push()

    timed("import", add)
    ROWS["peakMib"] = peak_mib()
    git("add", "-A", "--", "*.dvc", ".gitignore", ".dvc")
    git("commit", "-qm", "one")
    timed("reimport", add)
    for file in files_of(data)[::round(1 / CHANGED_SHARE)]:
        with open(file, "ab") as changed:
            changed.write(b"\0")
    repo.add(data)
    git("add", "-A", "--", "*.dvc")
    git("commit", "-qm", "two")
    found = timed("diff", lambda: repo.diff("HEAD~1", "HEAD"))
    ROWS["diffFound"] = len(found["modified"])
    shutil.rmtree(data)
    timed("export", lambda: repo.checkout())


def huggingface(images, work):
    import datasets
    from datasets import load_dataset, load_from_disk
    datasets.disable_progress_bars()
    cache, saved = os.path.join(work, "cache"), os.path.join(work, "saved")
    load = lambda: load_dataset("imagefolder", data_dir=images, split="train", cache_dir=cache)
    timed("import", lambda: load().save_to_disk(saved))
    ROWS["peakMib"] = peak_mib()
    timed("reimport", load)

    def export():
        plain = load_from_disk(saved).cast_column("image", datasets.Image(decode=False))
        names = plain.features["label"].names
        for number, row in enumerate(plain):
            folder = os.path.join(work, "exported", names[row["label"]])
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, f"{number}.jpg"), "wb") as file:
                file.write(row["image"]["bytes"])

    timed("export", export)

    def samples():
        import numpy
        stored = load_from_disk(saved).to_iterable_dataset(num_shards=64).shuffle(seed=7, buffer_size=1000)
        for row in stored:
            yield numpy.asarray(row["image"].convert("RGB"))

    stream_rows(samples)


def datumaro(images, work):
    import datumaro
    stored, exported = os.path.join(work, "stored"), os.path.join(work, "exported")

    def load(folder):
        datumaro.Dataset.import_from(images, "imagenet").export(folder, "datumaro", save_media=True)

    timed("import", lambda: load(stored))
    ROWS["peakMib"] = peak_mib()
    timed("reimport", lambda: load(stored))
    timed("export", lambda: datumaro.Dataset.import_from(stored, "datumaro").export(exported, "imagenet", save_media=True))


def webdataset(images, work):
    import webdataset
    os.makedirs(work, exist_ok=True)
    names = sorted(os.listdir(images))
    files = files_of(images)
    random.Random(7).shuffle(files)  # Its documentation asks for shards that are shuffled once.
    with webdataset.ShardWriter(os.path.join(work, "%06d.tar"), maxcount=2500, verbose=0) as writer:
        for number, file in enumerate(files):
            with open(file, "rb") as image:
                label = names.index(os.path.basename(os.path.dirname(file)))
                writer.write({"__key__": f"{number:08d}", "jpg": image.read(), "cls": label})
    shards = files_of(work)

    def samples():
        stream = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=7).shuffle(1000)
        for image, _ in stream.decode("rgb8").to_tuple("jpg", "cls"):
            yield image

    stream_rows(samples)


def folder(images, work):
    """Files of their own, as an ImageFolder reads them: no tool at all."""

    def samples():
        files = files_of(images)
        random.Random(7).shuffle(files)
        for file in files:
            with open(file, "rb") as image:
                yield decode(image.read())

    stream_rows(samples)


def gyre(_images, _work, description):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "apps", "trainer"))
    from gyre_data import GyreStream
    stream_rows(lambda: (image for image, _ in GyreStream(description, transform=decode)))
    timed("undecoded", lambda: epoch(GyreStream(description)))


def stream_rows(samples):
    decode(one_image())  # Loads Pillow, which every one of them needs.
    timed("firstSample", lambda: next(iter(samples())))
    ROWS["streamed"] = timed("stream", lambda: epoch(samples()))


def one_image():
    from PIL import Image
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    tool, *arguments = sys.argv[1:]
    {"dvc": dvc, "huggingface": huggingface, "datumaro": datumaro, "webdataset": webdataset, "folder": folder,
     "gyre": gyre}[tool](*arguments)
    print(json.dumps(ROWS))
