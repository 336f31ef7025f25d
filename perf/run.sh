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
# One that cannot be measured keeps none of the others from it.
bench() { local name=$1; shift; echo "== $name"; "$switch" bench "$@" --report "$out/$name" >/dev/null || echo "== $name: not measured"; }
bench codecs codecs --peers "$@"
bench relay relay --peers "$@"
bench relay-channels relay --channels 500,1000,2000,4000 "$@"
for to in pcma g722 ilbc l16; do bench "transcode-$to" transcode --to "$to" --peers "$@"; done
for parties in 3 10; do bench "mix-$parties" mix --parties "$parties" "$@"; done
bench scaling scaling "$@"
bench http http "$@"
bench channels channels "$@"
bench register register --peers "$@"
bench calls calls "$@"
bench calls-rtp calls --rtp "$@"
bench sip-calls sip-calls "$@"
bench plan plan --calls 100000 --mix pcmu:g722=0.3 --phones 200000 --from-report "$out"
cat "$out"/*/report.md >"$out/all.md"
echo "$out/all.md"
