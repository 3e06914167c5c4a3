#!/usr/bin/env bash
# Tests and benchmarks on a machine with a GPU, in one command; logs and figures go into a folder.
#
#   scripts/check_gpu.sh [folder]
#
# Needs the package with its extra `tests`, and a PyTorch that sees the GPU. PYTHON: which Python; else python.
# ALLENNLP: AllenNLP's wheel, unpacked (python -m benchmarks.gpu.allennlp_light FOLDER fetches it); else without.
# TEXT: tokenised sentences; TEXTS: texts; see `python -m benchmarks.gpu --help` and `.pipe --help`.
# BATCHES, TOKENS: how much the benchmarks of pre-training and of nlp.pipe do.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:-benchmarks/build/gpu}
python=${PYTHON:-python}
mkdir -p "$folder"
failed=0

run() {
  local name=$1
  shift
  echo "== $name"
  "$python" "$@" 2>&1 | tee "$folder/$name.log" | tail -n "${LINES_SHOWN:-40}" || failed=1
}

run embedding -m benchmarks.gpu --output "$folder/embedding.json" \
  ${TEXT:+--text "$TEXT"} ${ALLENNLP:+--allennlp "$ALLENNLP"}
run pipe -m benchmarks.gpu.pipe --output "$folder/pipe.json" --precisions bf16 \
  --tokens "${TOKENS:-500000}" --rounds 3 ${TEXTS:+--texts "$TEXTS"}
run pretraining -m benchmarks.gpu.pretraining --output "$folder/pretraining.json" --rows 128 --batches "${BATCHES:-15}"
run tests -m pytest -q -m gpu --slow tests
exit $failed
