"""What cleanvision finds in a folder of images called <number>.<ending>: JSON {kind: [number]}."""

import contextlib
import json
import os
import sys

from cleanvision import Imagelab

KINDS = ["dark", "light", "blurry", "odd_size", "odd_aspect_ratio", "low_information", "grayscale"]

with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues({kind: {} for kind in KINDS}, n_jobs=1, verbose=False)


def number(file: str) -> int:
    return int(os.path.basename(file).split(".")[0])


print(json.dumps({kind: [number(file) for file in lab.issues.index[lab.issues[f"is_{kind}_issue"]]] for kind in KINDS}))
