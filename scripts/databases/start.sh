#!/usr/bin/env bash
# Starts PostgreSQL, MariaDB and Redis on 127.0.0.1 for the tests: empty, in a folder of their own, nothing flushed to
# disk. Those that run already are left as they are. Prints POSTGRES_URL=…, MARIADB_URL=… and REDIS_URL=….
# Needs Debian's postgresql, mariadb-server and redis-server, and root, which starts the first two as their own users.
# Environment, with defaults:
#   DATABASES_DIR (data, default a folder in TMPDIR)  POSTGRES_PORT (5433)  MARIADB_PORT (3307)  REDIS_PORT (6380)
set -euo pipefail
D=${DATABASES_DIR:-${TMPDIR:-/tmp}/stowage-databases}
PG=${POSTGRES_PORT:-5433} MY=${MARIADB_PORT:-3307} RE=${REDIS_PORT:-6380}
alive() { [ -s "$1" ] && kill -0 "$(head -n1 "$1")" 2>/dev/null; }
wait_for() { local n; for n in $(seq 1 200); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "failed: $*; see $D" >&2; return 1; }

mkdir -p "$D"; chmod 755 "$D"

if ! alive "$D/postgres/postmaster.pid"; then
  BIN=$(find /usr/lib/postgresql -path '*/bin/initdb' | sort -V | tail -n1); BIN=${BIN%/initdb}
  rm -rf "$D/postgres"; install -d -m 700 -o postgres "$D/postgres"
  as_postgres() { (cd "$D/postgres" && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
  as_postgres "$BIN/initdb" -D "$D/postgres" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$D/initdb.log"
  as_postgres "$BIN/pg_ctl" -D "$D/postgres" -l "$D/postgres/log" -w -o "-c listen_addresses=127.0.0.1 -c port=$PG \
    -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB \
    -c deadlock_timeout=100ms -c max_connections=60" start >/dev/null
fi

if ! alive "$D/mariadb.pid"; then
  rm -rf "$D/mariadb"; install -d -m 700 -o mysql "$D/mariadb"
  mariadb-install-db --no-defaults --user=mysql --datadir="$D/mariadb" --auth-root-authentication-method=normal \
    --skip-test-db >"$D/mariadb-install.log" 2>&1
  mariadbd --no-defaults --user=mysql --datadir="$D/mariadb" --bind-address=127.0.0.1 --port="$MY" \
    --socket="$D/mariadb/socket" --pid-file="$D/mariadb/pid" --skip-log-bin --innodb-flush-log-at-trx-commit=0 \
    --innodb-flush-method=nosync --innodb-doublewrite=0 --innodb-buffer-pool-size=64M --skip-name-resolve \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_bin </dev/null >"$D/mariadb.log" 2>&1 &
  echo $! >"$D/mariadb.pid"
  wait_for mariadb --no-defaults --socket="$D/mariadb/socket" -uroot -e 'SELECT 1'
  # Node connects over TCP; the account is of a throw-away server on 127.0.0.1.
  mariadb --no-defaults --socket="$D/mariadb/socket" -uroot -e \
    "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1'; GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION"
fi

if ! alive "$D/redis.pid"; then
  redis-server --bind 127.0.0.1 --port "$RE" --dir "$D" --save '' --appendonly no --daemonize yes \
    --pidfile "$D/redis.pid" --logfile "$D/redis.log" >/dev/null
  wait_for redis-cli -h 127.0.0.1 -p "$RE" ping
fi

echo "POSTGRES_URL=postgres://postgres@127.0.0.1:$PG/postgres"
echo "MARIADB_URL=mysql://root@127.0.0.1:$MY/mysql"
echo "REDIS_URL=redis://127.0.0.1:$RE"
