#!/usr/bin/env bash
# Brings DuckDB (libduckdb.so, duckdb.h) from the npm registry into build/third_party/duckdb. Every package is checked
# against the integrity in pins.txt before anything of it is used. Does nothing when the pinned version is there.
# SENTINEL_DUCKDB_DIR names another folder.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="${SENTINEL_DUCKDB_DIR:-$here/../../build/third_party/duckdb}"
machine="$(uname -m)"
stamp="$(sha256sum "$here/pins.txt" | cut -d' ' -f1)"

if [[ -f "$target/stamp" && "$(cat "$target/stamp")" == "$stamp" && -f "$target/libduckdb.so" ]]; then
  exit 0
fi
if ! grep -q "^$machine " "$here/pins.txt"; then
  echo "third_party/duckdb: no binary is pinned for $machine (see pins.txt)" >&2
  exit 1
fi
command -v npm >/dev/null || { echo "third_party/duckdb: npm is needed (apt-get install npm)" >&2; exit 1; }

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/out"

while read -r for_machine package integrity files; do
  [[ "$for_machine" == any || "$for_machine" == "$machine" ]] || continue
  echo "fetching $package"
  rm -f "$work"/*.tgz
  (cd "$work" && npm pack --silent --ignore-scripts "$package" >/dev/null)
  got="sha512-$(openssl dgst -sha512 -binary "$work"/*.tgz | openssl base64 -A)"
  if [[ "$got" != "$integrity" ]]; then
    echo "third_party/duckdb: $package has integrity $got, pinned is $integrity" >&2
    exit 1
  fi
  for file in $files; do
    tar -xzf "$work"/*.tgz -C "$work" "$file"
    cp "$work/$file" "$work/out/"
  done
done < <(grep -v '^#' "$here/pins.txt")

strip="$(command -v llvm-strip-19 || command -v strip || true)"
if [[ -n "$strip" ]]; then "$strip" --strip-unneeded "$work/out/libduckdb.so"; fi
echo "$stamp" > "$work/out/stamp"
mkdir -p "$target"
cp -f "$work"/out/* "$target/"
ls -l "$target" >&2
