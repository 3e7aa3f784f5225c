#!/bin/sh
# Makes a virtual environment with the peers at their pinned versions: bench/peers/install.sh FOLDER [REQUIREMENTS]
# Nothing is installed outside FOLDER; one that is complete already is left as it is.
set -eu
folder=$1
wanted=$(dirname "$0")/${2:-requirements.txt}
cmp -s "$wanted" "$folder/installed.txt" && exit 0
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
cp "$wanted" "$folder/installed.txt"
