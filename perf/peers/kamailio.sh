#!/usr/bin/env bash
# Kamailio as a registrar to measure beside: in the foreground until SIGTERM.
#   kamailio.sh IP PORT CPU DIRECTORY      3: not installed (Debian, Ubuntu: apt-get install kamailio)
# As lean as it goes: one UDP worker, locations in memory alone, no database, no transactions, digest with qop=auth whose password is
# made from the user's name ("secret-NAME"), so that no look-up costs it anything. perf/peers/README.md says what is fair in that.
set -euo pipefail
ip=$1 port=$2 cpu=$3 directory=$4
program=$(command -v kamailio || { [ -x /usr/sbin/kamailio ] && echo /usr/sbin/kamailio; } || true)
[ -n "$program" ] || { echo "kamailio is not installed" >&2; exit 3; }
modules=""
for place in /usr/lib/*/kamailio/modules /usr/lib/kamailio/modules /usr/lib64/kamailio/modules; do
  [ ! -d "$place" ] || modules=$place
done
[ -n "$modules" ] || { echo "kamailio has no modules" >&2; exit 3; }
mkdir -p "$directory"
cat >"$directory/kamailio.cfg" <<CONFIG
debug=0
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
server_header="Server: kamailio"
listen=udp:$ip:$port
alias="bench.invalid"
mpath="$modules/"
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 16)
modparam("auth", "nonce_expire", 300)
modparam("auth", "secret", "bench")
request_route {
  if (method != "REGISTER") { sl_send_reply("405", "Method Not Allowed"); exit; }
  if (!pv_www_authenticate("\$fd", "secret-\$fU", "0")) { www_challenge("\$fd", "1"); exit; }
  save("location");
  exit;
}
CONFIG
exec taskset -c "$cpu" "$program" -f "$directory/kamailio.cfg" -DD -E -m 1024 -M 32 -w "$directory" -Y "$directory" -P "$directory/kamailio.pid"
