#!/usr/bin/env bash
# Renews the figures of this host: builds, then every measurement, one after the other, into DIR. Let nothing else run.
#   perf/run.sh [--docs] DIR [options of `mediaswitch bench`, such as --seconds 10 --rounds 5]
# --docs: then writes them into docs/performance.md, README.md and docs/figures (perf/renew-docs). How long it takes: docs/performance.md.
set -euo pipefail
docs=no
[ "${1-}" != --docs ] || { docs=yes; shift; }
[ $# -ge 1 ] || { echo "usage: perf/run.sh [--docs] DIR [options of mediaswitch bench]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
switch=${MEDIASWITCH-}   # a program that is built already
[ -n "$switch" ] || { cargo build --release --bin mediaswitch; switch=$PWD/target/release/mediaswitch; }
"$switch" doctor >"$out/doctor.txt" || true   # it warns by its exit code
# One that cannot be measured keeps none of the others from it.
bench() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  rm -rf "${out:?}/$name"   # no figure of an earlier run
  "$switch" bench "$@" --report "$out/$name" >/dev/null || echo "== $name: not measured, or not all of it"
  echo "== $name: $((SECONDS - start)) s"
}
bench codecs codecs --peers "$@"
bench relay relay --peers "$@"
bench relay-channels relay --channels 100,250,500,1000,1500,2000 "$@"
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
echo "$out/all.md: $SECONDS s in all"
[ "$docs" = no ] || perf/renew-docs "$out"
