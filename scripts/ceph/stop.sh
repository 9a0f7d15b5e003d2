#!/usr/bin/env bash
# Stops what start.sh started, by pid files. KEEP=1 keeps the data folder.
D=${CEPH_DIR:-${TMPDIR:-/tmp}/stowage-ceph}
for f in "$D"/run/rgw.pid "$D"/run/client.rgw.pid "$D"/run/mgr.*.pid "$D"/run/osd.*.pid "$D"/run/mon.*.pid; do
  [ -s "$f" ] || continue; p=$(cat "$f"); kill "$p" 2>/dev/null || { rm -f "$f"; continue; }
  for _ in $(seq 1 50); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$p" 2>/dev/null; rm -f "$f"
done
[ "${KEEP:-0}" = 1 ] || rm -rf "$D"
exit 0
