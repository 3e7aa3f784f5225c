"""Trains an embedder on images without labels: VICReg (Bardes, Ponce & LeCun, ICLR 2022) on a small residual network.

Two views of an image shall have the same embedding (invariance), while over a batch each number of it varies (variance) and no
two vary together (covariance): so it cannot collapse, without negatives, momentum or large batches. Runs on CUDA (bfloat16,
channels last) and on a CPU. Under the trainer contract: `gyre_trainer.py`, docs/training.md.

Equal images, options and seed give an equal file on one kind of processor with the same number of threads, also when the
training was stopped or killed and went on from a checkpoint: what is drawn depends on the seed and the step alone.
"""

import concurrent.futures
import hashlib
import io
import json
import math
import os
import sys
import time

import gyre_trainer
from gyre_trainer import CONFIG, DATA, TrainerError, say

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
PROJECTION = {"small": 512, "large": 2048}
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-4
# The learning rate belongs to batches of this size; it is raised to during this share of the steps.
LEARNING_BATCH, WARM_UP = 256, 0.05
# Images that means and deviations are taken from, and that the model is tried on afterwards; at most.
SAMPLE, GOLDEN = 4096, 8
LEAST_IMAGES = 32
# Pixels up to this size stay on the GPU.
RESIDENT_BYTES = 8 << 30
# Added to the variance of a number of the embedding: one that never varied shall not shout later.
VARIANCE_FLOOR = 1e-4


def main(job):
    manifest = job.manifest(
        schema=lambda value: value == 1,
        trainer=lambda value: value == "vicreg",
        seed=lambda value: isinstance(value, int),
        images=lambda value: all(value.get(name, 0) > 0 for name in ("count", "height", "width")),
        training=lambda value: value.get("count", 0) >= LEAST_IMAGES,
        network=lambda value: value in PROJECTION,
        epochs=lambda value: value >= 1,
        batchImages=lambda value: value >= LEAST_IMAGES,
        mirror=lambda value: isinstance(value, bool),
        colour=lambda value: 0 <= value <= 1,
        device=lambda value: value in ("auto", "cuda"),
        compile=lambda value: isinstance(value, bool))
    torch = import_torch()
    try:
        training = Training(torch, job, manifest)
        training.carry_out()
        training.keep()
    except torch.OutOfMemoryError as error:
        raise TrainerError(f"the GPU's memory is too small for batches of {manifest['batchImages']} images; lower batchImages") from error


def import_torch():
    try:
        import onnx  # noqa: F401
        import torch
    except ImportError as error:
        raise TrainerError(
            f"{sys.executable} cannot import what training needs ({error}); make an environment with `gyre trainer install`, or name "
            "a Python that has torch, numpy and onnx with GYRE_TRAINER_PYTHON", CONFIG) from error
    return torch


class Training:
    def __init__(self, torch, job, manifest):
        import networks
        import views

        self.torch, self.job, self.manifest = torch, job, manifest
        self.device = self._device()
        self.precision = self._set_up(manifest["seed"])
        self.images = Images(torch, job, manifest, self.device)
        self.batch = min(manifest["batchImages"], self.images.count)
        self.per_epoch = self.images.count // self.batch
        self.steps = self.per_epoch * manifest["epochs"]
        side = min(manifest["images"]["height"], manifest["images"]["width"])
        width = PROJECTION[manifest["network"]]
        self.network = networks.Network(networks.SHAPES[manifest["network"]], side)
        self.head = networks.projector(self.network.dims, width)
        for part in (self.network, self.head):
            part.to(self.device, memory_format=torch.channels_last)
        parameters = [*self.network.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=0.0, weight_decay=WEIGHT_DECAY)
        self.views = views.Views(self.device, mirror=manifest["mirror"], colour=manifest["colour"], grey=self.images.grey)
        self.forward = torch.compile(self.network) if manifest["compile"] and self.device.type == "cuda" else self.network
        self.step, self.losses, self.rate = 0, [], None
        self.sums = torch.zeros(4, device=self.device)
        self._resume()

    def _device(self):
        cuda = self.torch.cuda.is_available()
        if self.manifest["device"] == "cuda" and not cuda:
            raise TrainerError(
                f"the step asks for a GPU, and torch {self.torch.__version__} sees none; install a driver and a torch for it, or "
                "leave gpus out", CONFIG)
        return self.torch.device("cuda" if cuda else "cpu")

    def _set_up(self, seed):
        """Makes all chance and all sums repeatable. Returns the precision of convolutions."""
        torch = self.torch
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(processors())
        torch.manual_seed(seed)
        fast = torch.cuda.is_bf16_supported() if self.device.type == "cuda" else cpu_has_bfloat16()
        return torch.bfloat16 if fast else torch.float32

    def carry_out(self):
        """All steps that are left."""
        began, first = time.monotonic(), self.step
        self.network.train()
        for step, images in Ahead(self.images, self._batches()):
            self.job.at_a_stop(self._state)
            self._learn(step, images)
            self.step = step + 1
            if self.step % self.per_epoch == 0:
                self._end_epoch()
            self.rate = self.batch * (self.step - first) / (time.monotonic() - began)
            self.job.progress(self.step * self.batch, self.steps * self.batch, "images", self._note, last=self.step == self.steps)

    def _batches(self):
        """(step, rows) from here on: each epoch in an order of its own; what does not fill a batch sits this epoch out."""
        for epoch in range(self.step // self.per_epoch, self.manifest["epochs"]):
            generator = self.torch.Generator().manual_seed(name_of(self.manifest["seed"], "order", epoch))
            order = self.torch.randperm(self.images.count, generator=generator).numpy()
            for number in range(self.per_epoch):
                step = epoch * self.per_epoch + number
                if step >= self.step:
                    yield step, order[number * self.batch:(number + 1) * self.batch]

    def _learn(self, step, images):
        torch, seed = self.torch, self.manifest["seed"]
        with torch.no_grad():
            pair = [self.images.even(self.views.draw(images, name_of(seed, f"view {side}", step))) for side in "ab"]
            both = torch.cat(pair).contiguous(memory_format=torch.channels_last)
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(step)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
            projected = self.head(torch.cat(self.forward(both), 1))
        terms = vicreg(torch, *projected.float().chunk(2))
        loss = terms @ torch.tensor([INVARIANCE, VARIANCE, COVARIANCE], device=self.device)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.sums += torch.cat([loss.detach().view(1), terms.detach()])

    def _learning_rate(self, step):
        """Up in a line, then down half a cosine."""
        highest = LEARNING_RATE * self.batch / LEARNING_BATCH
        warm = max(1, round(WARM_UP * self.steps))
        if step < warm:
            return highest * (step + 1) / warm
        return highest * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))) / 2

    def _end_epoch(self):
        means = (self.sums / self.per_epoch).tolist()
        self.sums.zero_()
        if not all(map(math.isfinite, means)):
            raise TrainerError(f"the training diverged in epoch {len(self.losses) + 1}; larger batches make it steadier", DATA)
        self.losses.append(means)
        loss, *terms = means
        words = ", ".join(f"{name} {value:.4f}" for name, value in zip(("invariance", "variance", "covariance"), terms))
        say(f"epoch {len(self.losses)} of {self.manifest['epochs']}: loss {loss:.4f}, {words}")

    def _note(self):
        into = self.step % self.per_epoch
        loss = self.sums[0].item() / into if into else self.losses[-1][0]
        epoch = min(len(self.losses) + 1, self.manifest["epochs"])
        return f"epoch {epoch} of {self.manifest['epochs']}, loss {loss:.3f}, {self.rate:.0f} images/s on {self.device.type}"

    def _state(self):
        """Everything that the next step depends on."""
        out = io.BytesIO()
        parts = {name: getattr(self, name).state_dict() for name in ("network", "head", "optimiser")}
        self.torch.save({**parts, "step": self.step, "losses": self.losses, "sums": self.sums}, out)
        return out.getvalue()

    def _resume(self):
        body = self.job.checkpoint()
        if body is None:
            return
        state = self.torch.load(io.BytesIO(body), map_location=self.device, weights_only=True)
        for name in ("network", "head", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.losses = state["step"], state["losses"]
        self.sums.copy_(state["sums"])
        say(f"going on from the checkpoint at step {self.step} of {self.steps}")

    def keep(self):
        """Evens the embedding out, tries it, and writes the three files."""
        import numpy
        from onnx_file import onnx_file

        plain = self._embedded(evenly(self.images.count, SAMPLE))
        centre, scale = plain.mean(0), 1 / numpy.sqrt(plain.var(0) + VARIANCE_FLOOR)
        self.network.cpu()  # What a GPU rounds off shall not count as a difference.
        golden = evenly(self.images.count, GOLDEN)
        embedding = (self._embedded(golden) - centre) * scale
        images, mean, deviation = self.manifest["images"], self.images.mean, self.images.deviation
        self.job.keep("model.onnx", onnx_file(
            self.network, height=images["height"], width=images["width"], mean=mean, deviation=deviation, centre=centre, scale=scale))
        self._keep_json("model.json", {
            "schema": 1, "trainer": "vicreg", "dims": self.network.dims,
            "preprocessing": {"height": images["height"], "width": images["width"], "channels": 3},
            "seeds": {"training": self.manifest["seed"]},
            "golden": {"rows": self.images.rows[golden].tolist(), "embedding": embedding.round(5).tolist()}})
        names = ("loss", "invariance", "variance", "covariance")
        self._keep_json("metrics.json", {
            "epochs": [dict(zip(names, epoch)) for epoch in self.losses],
            "imagesPerSecond": self.rate, "cpuSeconds": time.process_time(),
            "device": self.device.type, "precision": str(self.precision).removeprefix("torch."), "torch": self.torch.__version__,
            "parameters": sum(p.numel() for p in self.network.parameters())})

    def _embedded(self, numbers):
        """Embeddings of these training images, float64 [n, dims], where the network is, and without bfloat16."""
        import numpy

        torch, device = self.torch, next(self.network.parameters()).device
        self.network.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(numbers), self.batch):
                images = self.images.batch(numbers[start:start + self.batch])
                even = self.images.even(images).to(device, memory_format=torch.channels_last)
                parts.append(torch.cat(self.network(even), 1).double().cpu().numpy())
        return numpy.concatenate(parts)

    def _keep_json(self, name, value):
        self.job.keep(name, json.dumps(value, sort_keys=True).encode())


class Images:
    """The training images as batches on the device, from the matrix of pixels that embedding and serving read, too."""

    def __init__(self, torch, job, manifest, device):
        import numpy

        self.torch, self.device = torch, device
        images, training = manifest["images"], manifest["training"]
        shape = (images["count"], images["height"], images["width"], 3)
        self.pixels = open_matrix(job.file(images["file"]), "uint8", shape)
        self.rows = numpy.array(open_matrix(job.file(training["file"]), "uint32", (training["count"],)))
        if self.rows.max() >= images["count"]:
            raise TrainerError(f"row {self.rows.max()} is beyond the {images['count']} images of {images['file']}")
        self.count = training["count"]
        sample = self.pixels[self.rows[evenly(self.count, SAMPLE)]]
        self.grey = int(numpy.abs(sample[..., :1].astype("int16") - sample[..., 1:]).max()) <= 2
        flat = sample.reshape(-1, 3) / 255
        self.mean, self.deviation = flat.mean(0), numpy.maximum(flat.std(0), 1e-2)
        self._mean, self._deviation = (
            torch.tensor(x, dtype=torch.float32, device=device).view(1, 3, 1, 1) for x in (self.mean, self.deviation))
        fits = device.type == "cuda" and self.pixels.nbytes <= min(RESIDENT_BYTES, torch.cuda.mem_get_info()[0] // 4)
        self._resident = torch.from_numpy(numpy.array(self.pixels)).to(device) if fits else None

    def batch(self, numbers):
        """Float [n, 3, height, width], 0–1."""
        return self.ready(self.gathered(numbers))

    def gathered(self, numbers):
        """The slow half, for another thread: uint8 [n, height, width, 3]."""
        torch, rows = self.torch, self.rows[numbers]
        if self._resident is not None:
            return self._resident[torch.from_numpy(rows.astype("int64")).to(self.device)]
        pixels = torch.from_numpy(self.pixels[rows])
        return pixels.pin_memory() if self.device.type == "cuda" else pixels

    def ready(self, pixels):
        return pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float() / 255

    def even(self, images):
        return (images - self._mean) / self._deviation


class Ahead:
    """(name, batch) in order, the next one read while this one is learnt from."""

    def __init__(self, images, batches):
        self.images, self.batches = images, batches

    def __iter__(self):
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            waiting = None
            for name, numbers in self.batches:
                coming = name, thread.submit(self.images.gathered, numbers)
                if waiting:
                    yield waiting[0], self.images.ready(waiting[1].result())
                waiting = coming
            if waiting:
                yield waiting[0], self.images.ready(waiting[1].result())


def vicreg(torch, a, b):
    """[invariance, variance, covariance] of two views' projections, float [n, d] each."""
    invariance = (a - b).square().mean()
    count, dims = a.shape
    variance, covariance = 0, 0
    for view in (a, b):
        view = view - view.mean(0)
        variance = variance + (1 - (view.var(0) + 1e-4).sqrt()).relu().mean() / 2
        products = view.T @ view / (count - 1)
        covariance = covariance + (products.square().sum() - products.diagonal().square().sum()) / dims
    return torch.stack([invariance, variance, covariance])


def open_matrix(file, kind, shape):
    import numpy

    needed = math.prod(shape) * numpy.dtype(kind).itemsize
    if os.path.getsize(file) != needed:
        raise TrainerError(f"{os.path.basename(file)} has {os.path.getsize(file)} bytes, and {shape} of {kind} are {needed}")
    return numpy.memmap(file, kind, "r", shape=shape)


def evenly(count, most):
    """At most so many of the numbers below count, spread evenly."""
    return [i * count // most for i in range(most)] if count > most else list(range(count))


def name_of(seed, what, number):
    """A number of 63 bits for a generator: another one for each use."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{number}".encode()).digest()[:8], "big") >> 1


def processors():
    """Cores to learn on: those that this process may use, but for one. Threads wait for each other in busy loops, so one that has
    to share its core with another program holds up all."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        limit = math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        limit = sys.maxsize
    return max(1, min(limit, len(os.sched_getaffinity(0))) - 1)


def cpu_has_bfloat16():
    """Whether the processor multiplies in bfloat16 itself; where it only imitates it, float32 is faster."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return any(word in ("avx512_bf16", "amx_bf16") for line in file if line.startswith("flags") for word in line.split())
    except OSError:
        return False


if __name__ == "__main__":
    gyre_trainer.run(main)
