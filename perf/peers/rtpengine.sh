#!/usr/bin/env bash
# rtpengine as a media relay to measure beside: in the foreground until SIGTERM.
#   rtpengine.sh IP NG-PORT CPU      3: not installed (Debian, Ubuntu: apt-get install rtpengine-daemon)
# In user space (--table=-1: without its kernel module), one worker, no log; SCHED_FIFO as our media shards have, where it is allowed.
set -euo pipefail
ip=$1 port=$2 cpu=$3
command -v rtpengine >/dev/null || { echo "rtpengine is not installed" >&2; exit 3; }
first=()
if chrt -f 10 true 2>/dev/null; then first=(chrt -f 10); fi
exec "${first[@]}" taskset -c "$cpu" rtpengine --foreground --log-stderr --log-level=2 --table=-1 --num-threads=1 --delete-delay=0 \
  --interface="$ip" --listen-ng="$ip:$port" --port-min=10000 --port-max=59999
