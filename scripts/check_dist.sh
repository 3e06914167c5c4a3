#!/usr/bin/env bash
# Build the source distribution and the wheel, check both, and use the wheel where no source is.
#
#   scripts/check_dist.sh [folder]
#
# The folder, new or empty, then has `dist` with both files, `venv` with the wheel and what its tests need, and `source`
# with the unpacked source distribution but without the package. Without a folder, nothing is left.
# PYTHON: which Python, with the packages of the extra `dev`; else .venv/bin/python, or python.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=${1:-$scratch/checked}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -n "$(ls -A "$folder")" ]; then
  echo "$folder is not empty" >&2
  exit 1
fi
python=${PYTHON:-}
if [ -z "$python" ]; then
  python=python
  if [ -x .venv/bin/python ]; then python=$root/.venv/bin/python; fi
fi

echo "== build"
# The wheel is built from the source distribution, so that it shows what that lacks.
"$python" -m build --quiet --outdir "$folder/dist"
wheel=$(ls "$folder"/dist/*.whl)
sdist=$(ls "$folder"/dist/*.tar.gz)

echo "== metadata and content"
"$python" -m twine check --strict "$wheel" "$sdist"
"$python" -m check_wheel_contents "$wheel"
"$python" scripts/check_contents.py "$wheel" "$sdist"

echo "== the wheel in a fresh environment"
"$python" -m venv "$folder/venv"
if [ -x "$folder/venv/bin/python" ]; then bin=$folder/venv/bin; else bin=$folder/venv/Scripts; fi
"$bin/python" -m pip install --quiet -c constraints.txt "$wheel"
mkdir "$scratch/elsewhere"
cp assets/gettysburg.txt "$scratch/elsewhere"
(
  cd "$scratch/elsewhere"
  export SPACY_ELMO_OFFLINE=1 SPACY_ELMO_CACHE=$scratch/cache
  "$bin/spacy-elmo" --version
  "$bin/spacy-elmo" embed gettysburg.txt --lang en --output gettysburg.h5
  "$bin/python" - "$root" <<'PROGRAM'
import sys
from pathlib import Path

import h5py
import spacy

import spacy_elmo

place = Path(spacy_elmo.__file__).resolve()
assert Path(sys.argv[1]).resolve() / "spacy_elmo" not in place.parents, place
nlp = spacy.blank("en")
nlp.add_pipe("elmo_embedder")
assert nlp("I love NLP").tensor.shape == (3, 256)
with h5py.File("gettysburg.h5") as file:
    print(f"{len(file) - 1} sentences embedded by {place.parent}")
PROGRAM
)

echo "== the tests of the source distribution, collected without the source tree"
"$bin/python" -m pip install --quiet -c constraints.txt "$wheel[tests]"
tar -xzf "$sdist" -C "$scratch"
mv "$scratch"/spacy_elmo-*/ "$folder/source"
rm -r "$folder/source/spacy_elmo" "$folder/source/spacy_elmo.egg-info"
cd "$folder/source"
# All of them, in words; the last lines say how many.
"$bin/python" -m pytest --collect-only --quiet tests >"$scratch/collected" || {
  tail -40 "$scratch/collected"
  exit 1
}
tail -1 "$scratch/collected"
