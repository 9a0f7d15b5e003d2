#!/usr/bin/env bash
# Stops what start.sh started, by pid files. KEEP=1 keeps the data folder.
D=${DATABASES_DIR:-${TMPDIR:-/tmp}/stowage-databases}
for f in "$D/postgres/postmaster.pid" "$D/mariadb.pid" "$D/redis.pid"; do
  [ -s "$f" ] || continue; p=$(head -n1 "$f")
  # PostgreSQL waits for its clients at TERM; at INT it ends their connections.
  kill -INT "$p" 2>/dev/null; kill "$p" 2>/dev/null || { rm -f "$f"; continue; }
  for _ in $(seq 1 50); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$p" 2>/dev/null; rm -f "$f"
done
[ "${KEEP:-0}" = 1 ] || rm -rf "$D"
exit 0
