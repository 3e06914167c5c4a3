#!/usr/bin/env bash
# Resolve README's install on every supported Python that is at hand, from the package index alone.
#
#   scripts/check_install.sh
#
# Wheels and settings of this machine's own are left out: what only they have must not hide a conflict that
# everybody else meets. Nothing is installed but pip, in environments that are removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
n_tried=0

find_python() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c 'import venv' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

for version in 3.10 3.11 3.12 3.13 3.14; do
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    echo "Python $version: none here, skipped"
    continue
  fi
  n_tried=$((n_tried + 1))
  "$python" -m venv "$scratch/$version"
  # Since version 24, pip reads the requirements of a wheel without downloading it.
  "$scratch/$version/bin/pip" install --quiet --upgrade "pip>=24" 2>/dev/null
  if env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_CONSTRAINT PIP_CONFIG_FILE=/dev/null \
    "$scratch/$version/bin/pip" install --quiet --dry-run -c constraints.txt ".[tests,tests-heavy]"; then
    echo "Python $version: resolved"
  else
    echo "Python $version: the install in README.md fails"
    failed=1
  fi
done
if [ "$n_tried" = 0 ]; then
  echo "No supported Python was found."
  failed=1
fi
exit "$failed"
