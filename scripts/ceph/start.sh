#!/usr/bin/env bash
# Starts a one-node Ceph on 127.0.0.1, a real S3 service for the tests: one monitor, OSDS osds and a gateway. A
# gateway that runs already is left as it is. Prints endpoint=…, access_key=… and secret_key=….
# Needs Debian's ceph-mon, ceph-osd, radosgw, ceph-common and curl. Environment, with defaults:
#   CEPH_DIR (data, default a folder in TMPDIR)  RGW_PORT (7480)  MON_PORT (6789)  OSDS (1)
#   OBJECTSTORE=memstore|bluestore (memstore)  WITH_MGR=0|1 (0)  S3_ACCESS_KEY  S3_SECRET_KEY
set -euo pipefail
D=${CEPH_DIR:-${TMPDIR:-/tmp}/stowage-ceph} PORT=${RGW_PORT:-7480} MONPORT=${MON_PORT:-6789} OSDS=${OSDS:-1}
STORE=${OBJECTSTORE:-memstore} WITH_MGR=${WITH_MGR:-0}
AK=${S3_ACCESS_KEY:-AKIATESTACCESSKEY000} SK=${S3_SECRET_KEY:-testSecretKey/0123456789+abcdefghijklmnop}
DNS=${RGW_DNS_NAME:-localhost}
export CEPH_CONF="$D/ceph.conf"
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
retry() { local n; for n in 1 2 3 4 5; do "$@" && return 0; sleep 0.3; done; echo "failed: $*; see $D/log" >&2; return 1; }
report() { echo "endpoint=http://127.0.0.1:$PORT"; echo "access_key=$AK"; echo "secret_key=$SK"; }
if alive "$D/run/rgw.pid" && curl -fsS -o /dev/null "http://127.0.0.1:$PORT/swift/healthcheck" 2>/dev/null; then report; exit 0; fi
bash "$(dirname "$0")/stop.sh" >/dev/null 2>&1 || true
rm -rf "$D"; mkdir -p "$D"/{run,log,mon,mgr,rgw}
FSID=$(cat /proc/sys/kernel/random/uuid)
cat > "$D/ceph.conf" <<CONF
[global]
fsid = $FSID
mon_initial_members = a
mon_host = v1:127.0.0.1:$MONPORT
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = $D/keyring
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr2 = false
run_dir = $D/run
admin_socket = $D/run/\$name.asok
log_file = $D/log/\$name.log
pid_file = $D/run/\$name.pid
mon_cluster_log_file = $D/log/cluster.log
crash_dir = $D/crash
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_warn_on_insecure_global_id_reclaim = false
mon_warn_on_insecure_global_id_reclaim_allowed = false
debug_ms = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_tick_interval = 1
[mon.a]
mon_data = $D/mon
[mgr.x]
mgr_data = $D/mgr
mgr_initial_modules =
[osd]
osd_data = $D/osd\$id
osd_objectstore = $STORE
memstore_device_bytes = ${MEMSTORE_BYTES:-8589934592}
bluestore_block_size = ${BLOCK_BYTES:-10737418240}
bluestore_block_create = true
bluestore_block_preallocate = false
bluestore_fsck_on_mount = false
osd_memory_target = 1073741824
bdev_enable_discard = false
osd_max_object_name_len = 2048
osd_max_object_namespace_len = 256
osd_scrub_begin_hour = 0
osd_op_num_shards = 2
osd_class_update_on_start = false
osd_crush_update_on_start = false
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1${TLS_PEM:+ ssl_endpoint=127.0.0.1:${TLS_PORT:-7443} ssl_certificate=$TLS_PEM ssl_private_key=$TLS_PEM}
rgw_data = $D/rgw
rgw_dns_name = $DNS
rgw_thread_pool_size = ${RGW_THREADS:-64}
rgw_enable_apis = s3, s3website, swift, swift_auth, sts, admin
rgw_crypt_require_ssl = false
rgw_gc_obj_min_wait = 60
rgw_lc_debug_interval = -1
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= testkey-2=ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=
${RGW_EXTRA_CONF:-}
rgw_relaxed_region_enforcement = true
rgw_enable_usage_log = false
rgw_enable_ops_log = false
CONF
# One key for all daemons (a throw-away cluster on 127.0.0.1). cephx stays on: with auth=none a client may send its
# first command before it has the monmap, and the monitor refuses it ('wrong fsid' / EPERM), now and then.
KEY=$(ceph-authtool --gen-print-key)
{ for e in mon. client.admin client.rgw mgr.x $(seq -f 'osd.%g' 0 $((OSDS-1))); do
    echo "[$e]"; echo "key = $KEY"; echo 'caps mon = "allow *"'; echo 'caps osd = "allow *"'; echo 'caps mgr = "allow *"'; echo 'caps mds = "allow *"'; done; } > "$D/keyring"
# --- mon
monmaptool --create --addv a "[v1:127.0.0.1:$MONPORT]" --fsid "$FSID" "$D/monmap" >/dev/null
ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring" --mon-data "$D/mon" >"$D/log/mkfs.mon" 2>&1
ceph-mon -i a >"$D/log/mon.out" 2>&1            # daemonizes, writes pid_file
# --- mgr (optional)
[ "$WITH_MGR" = 1 ] && ceph-mgr -i x >"$D/log/mgr.out" 2>&1
# --- osds
for i in $(seq 0 $((OSDS-1))); do
  mkdir -p "$D/osd$i"; U=$(cat /proc/sys/kernel/random/uuid)
  retry timeout 60 ceph osd new "$U" "$i" >/dev/null
  ceph-osd -i "$i" --mkfs --osd-uuid "$U" >"$D/log/mkfs.osd$i" 2>&1
  retry timeout 60 ceph osd crush add "osd.$i" 1.0 root=default host="h$i" >/dev/null 2>&1
  retry ceph-osd -i "$i" >>"$D/log/osd$i.out" 2>&1
done
# --- user and gateway
radosgw-admin -n client.rgw user create --uid=test --display-name=test --access-key="$AK" --secret-key="$SK" >"$D/log/user.json" 2>"$D/log/user.err"
for c in ${STORAGE_CLASSES-STANDARD_IA}; do
  radosgw-admin -n client.rgw zonegroup placement add --rgw-zonegroup=default --placement-id=default-placement --storage-class="$c" >/dev/null 2>>"$D/log/user.err"
  radosgw-admin -n client.rgw zone placement add --rgw-zone=default --placement-id=default-placement --storage-class="$c" --data-pool=default.rgw.buckets.data >/dev/null 2>>"$D/log/user.err"
done
radosgw -n client.rgw --pid-file "$D/run/rgw.pid" >"$D/log/rgw.out" 2>&1
for _ in $(seq 1 300); do curl -fsS -o /dev/null "http://127.0.0.1:$PORT/swift/healthcheck" 2>/dev/null && { report; exit 0; }; sleep 0.1; done
echo "radosgw did not come up; see $D/log" >&2; exit 1
