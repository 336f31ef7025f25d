#!/usr/bin/env bash
# Renews the figures of this host: builds, then every measurement, one after the other, into DIR. Let nothing else run.
#   perf/run.sh [--docs] [--minutes N] DIR [options of `mediaswitch bench`, such as --seconds 10 --rounds 5]
# --docs: then writes them into docs/performance.md, README.md and docs/figures (perf/renew-docs).
# --minutes N: is done after about so long: those of most weight come first, those that would not fit are left out, each with a word.
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
[ "$docs" = no ] || cargo build --quiet --release -p perf --bin renew_docs   # it must not disturb, nor fail at the end
"$switch" doctor >"$out/doctor.txt" || true   # it warns by its exit code
SECONDS=0   # without the building
of=18 n=0 missing=()
clock() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
# bench SECONDS NAME WHAT…: takes about SECONDS with --seconds 2 --rounds 2. One that cannot be measured, or hangs, keeps none of the others
# from it.
bench() {
  local about=$1 name=$2 start=$SECONDS
  shift 2
  n=$((n + 1))
  rm -rf "${out:?}/$name"   # no figure of an earlier run
  if [ "$minutes" -gt 0 ] && [ $((SECONDS + about)) -gt $((minutes * 60)) ]; then
    echo "== $(clock) $n/$of $name: left out, it takes about $about s"
    missing+=("$name")
    return
  fi
  echo "== $(clock) $n/$of $name"
  if ! timeout --kill-after=20 1200 "$switch" bench "$@" --report "$out/$name" >/dev/null; then
    echo "== $(clock) $n/$of $name: not measured, or not all of it"
    missing+=("$name")
  fi
  echo "== $(clock) $n/$of $name: $((SECONDS - start)) s"
}
# In the order of their weight.
bench 110 relay relay --peers "$@"
bench 110 transcode-g722 transcode --to g722 --peers "$@"
bench 90 register register --peers "$@"
bench 110 calls calls "$@"
bench 100 direct-calls direct-calls "$@"
bench 100 sip-calls sip-calls "$@"
bench 15 codecs codecs --peers "$@"
bench 90 mix-3 mix --parties 3 "$@"
bench 55 relay-channels relay --channels 100,250,500,1000,1500,2000 "$@"
bench 30 scaling scaling "$@"
bench 10 http http "$@"
bench 10 channels channels "$@"
bench 110 transcode-pcma transcode --to pcma --peers "$@"
bench 110 calls-rtp calls --rtp "$@"
bench 110 transcode-ilbc transcode --to ilbc --peers "$@"
bench 60 re-register register --refresh "$@"
bench 90 mix-10 mix --parties 10 "$@"
bench 110 transcode-l16 transcode --to l16 --peers "$@"
[ "${#missing[@]}" -eq 0 ] || echo "== missing, or not whole: ${missing[*]}"
"$switch" bench plan --calls 100000 --mix pcmu:g722=0.3 --phones 200000 --from-report "$out" --report "$out/plan" >/dev/null ||
  echo "== no plan: the costs that it needs were not measured"
cat "$out"/*/report.md >"$out/all.md" || echo "== nothing was measured"
echo "$out/all.md: $(clock) in all"
[ "$docs" = no ] || perf/renew-docs "$out"
