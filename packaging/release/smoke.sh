#!/bin/sh
# Whether an executable serves on this system: smoke.sh EXECUTABLE. Needs curl. Ends with 0 if it does.
set -eu
executable=$1
"$executable" version
"$executable" backend --host 127.0.0.1 --port 18081 --latency 0-1ms &
server=$!
"$executable" proxy --host 127.0.0.1 --port 18080 --admin-port 18091 --state :memory: --upstreams http://127.0.0.1:18081 &
balancer=$!
trap 'kill "$server" "$balancer" 2>/dev/null || true' EXIT

curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:18080/ >/dev/null
ADMIN_URL=http://127.0.0.1:18091 "$executable" status
kill "$balancer"
wait "$balancer"
echo "It serves, and stops without an error."
