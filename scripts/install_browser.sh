#!/usr/bin/env bash
# Install what the tests in a browser need: a Chromium, and the checkers of pages in tests/browser/package.json.
#
#   scripts/install_browser.sh
#
# Chromium is Debian's package. Elsewhere, install Chromium or Chrome yourself; SPACY_ELMO_BROWSER may name it.
# What drives it is the extra tests-browser.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"

has_browser() {
  local name
  for name in "${SPACY_ELMO_BROWSER:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then return 0; fi
  done
  return 1
}

if ! has_browser; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "No Chromium was found, and only root can install Debian's. Run 'apt-get install chromium' as root," >&2
    echo "or install Chromium or Google Chrome, or set SPACY_ELMO_BROWSER to the path of one." >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2
  apt-get install --quiet=2 --yes --no-install-recommends chromium
fi

# The copy says which versions are there; it is made when they are complete.
if ! cmp --silent package.json node_modules/.installed.json; then
  if ! command -v npm >/dev/null; then
    echo "npm was not found; it installs axe-core and vnu-jar. Install Node.js with npm, for example Debian's" >&2
    echo "packages nodejs and npm, and run this again." >&2
    exit 1
  fi
  # A lock file would name the registry of one machine. The versions are exact, and neither package has dependencies.
  npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
  cp package.json node_modules/.installed.json
fi
