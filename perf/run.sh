#!/usr/bin/env bash
# Renews the figures of this host: builds, then every measurement, one after the other, into DIR. Let nothing else run.
#   perf/run.sh DIR [options of `mediaswitch bench`, such as --seconds 10 --rounds 5]
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: perf/run.sh DIR [options of mediaswitch bench]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
cargo build --release --bin mediaswitch
switch=$PWD/target/release/mediaswitch
"$switch" doctor >"$out/doctor.txt" || true   # it warns by its exit code
bench() { local name=$1; shift; echo "== $name"; "$switch" bench "$@" --report "$out/$name" >/dev/null; }
bench codecs codecs "$@"
bench relay relay "$@"
for to in pcma g722 ilbc l16; do bench "transcode-$to" transcode --to "$to" "$@"; done
for parties in 3 10; do bench "mix-$parties" mix --parties "$parties" "$@"; done
bench http http "$@"
bench register register "$@"
cat "$out"/*/report.md >"$out/all.md"
echo "$out/all.md"
