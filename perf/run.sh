#!/usr/bin/env bash
# Renews the figures of this host: builds, then every measurement, one after the other, into DIR. Let nothing else run.
#   perf/run.sh [--docs] [--minutes N] DIR [options of `mediaswitch bench`, such as --seconds 10 --rounds 5]
# --docs: then writes them into docs/performance.md, README.md and docs/figures (perf/renew-docs).
# --minutes N: begins no measurement after so long, those of least weight being the last; a single one takes one to two minutes.
set -euo pipefail
usage() { echo "usage: perf/run.sh [--docs] [--minutes N] DIR [options of mediaswitch bench]" >&2; exit 2; }
docs=no minutes=0
while :; do
  case "${1-}" in
    --docs) docs=yes; shift ;;
    --minutes) minutes=${2:?how many?}; shift 2 ;;
    -*) usage ;;
    *) break ;;
  esac
done
[ $# -ge 1 ] || usage
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
switch=${MEDIASWITCH-}   # a program that is built already
[ -n "$switch" ] || { cargo build --release --bin mediaswitch; switch=$PWD/target/release/mediaswitch; }
"$switch" doctor >"$out/doctor.txt" || true   # it warns by its exit code
SECONDS=0   # without the building
# One that cannot be measured keeps none of the others from it.
bench() {
  local name=$1 start=$SECONDS
  shift
  rm -rf "${out:?}/$name"   # no figure of an earlier run
  if [ "$minutes" -gt 0 ] && [ "$SECONDS" -ge $((minutes * 60)) ]; then
    echo "== $name: no time left"
    return
  fi
  echo "== $name"
  "$switch" bench "$@" --report "$out/$name" >/dev/null || echo "== $name: not measured, or not all of it"
  echo "== $name: $((SECONDS - start)) s"
}
# In the order of their weight.
bench codecs codecs --peers "$@"
bench relay relay --peers "$@"
bench relay-channels relay --channels 100,250,500,1000,1500,2000 "$@"
bench transcode-g722 transcode --to g722 --peers "$@"
bench scaling scaling "$@"
bench register register --peers "$@"
bench calls calls "$@"
bench http http "$@"
bench channels channels "$@"
bench transcode-pcma transcode --to pcma --peers "$@"
bench mix-3 mix --parties 3 "$@"
bench sip-calls sip-calls "$@"
bench calls-rtp calls --rtp "$@"
bench transcode-ilbc transcode --to ilbc --peers "$@"
bench re-register register --refresh "$@"
bench mix-10 mix --parties 10 "$@"
bench transcode-l16 transcode --to l16 --peers "$@"
minutes=0   # a plan takes no time
bench plan plan --calls 100000 --mix pcmu:g722=0.3 --phones 200000 --from-report "$out"
cat "$out"/*/report.md >"$out/all.md"
echo "$out/all.md: $SECONDS s in all"
[ "$docs" = no ] || perf/renew-docs "$out"
