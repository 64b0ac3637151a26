# What a host is like, one fact a line. Changes nothing; reads nothing but the system's own description. $1: where Mooring keeps its mark; $2: where its
# container engine listens, empty where that is to be found out.
. /etc/os-release 2>/dev/null
echo "system=${ID:-} ${VERSION_ID:-}"
echo "architecture=$(uname -m)"
echo "processors=$(getconf _NPROCESSORS_ONLN)"
echo "memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)"
echo "disk=$(df -Pk "$HOME" | sed -n '2p' | tr -s ' ' | cut -d ' ' -f 4)"
echo "clock=$(date +%s.%N)"
echo "user=$(id -un)"
echo "uid=$(id -u)"
echo "home=$HOME"
echo "address=$(echo "${SSH_CONNECTION:-}" | cut -d ' ' -f 3)"
echo "edge=$(echo "${SSH_CONNECTION:-}" | cut -d ' ' -f 1)"
test -d /run/systemd/system && echo "systemd=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
test -e "/var/lib/systemd/linger/$(id -un)" && echo "linger=yes"
asked() { # the API's version that the engine behind socket $1 says; whatever program is there to ask with
  DOCKER_HOST="unix://$1" docker version --format '{{.Server.APIVersion}}' 2>/dev/null && return
  { curl -sf -m 5 --unix-socket "$1" http://localhost/version 2>/dev/null || python3 -c '
import http.client, socket, sys
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(5)
connection.sock.connect(sys.argv[1])
connection.request("GET", "/version")
print(connection.getresponse().read().decode())' "$1" 2>/dev/null; } | sed -n 's/.*"ApiVersion":"\([0-9.]*\)".*/\1/p'
}
own="/run/user/$(id -u)"
for socket in ${2:-/var/run/docker.sock /run/podman/podman.sock $own/podman/podman.sock $own/docker.sock}; do
  test -S "$socket" && test -w "$socket" || continue
  engine=$(asked "$socket")
  test "$engine" && echo "engine=$engine" && echo "socket=$socket" && break
done
PATH="$PATH:/usr/sbin:/sbin" nft list table inet mooring >/dev/null 2>&1 && echo "firewall=$(sed -n '1s/^# //p' /etc/mooring/firewall.nft 2>/dev/null)"
command -v python3 >/dev/null && echo "python=yes"
haproxy=$(command -v haproxy || echo /usr/sbin/haproxy)
test -x "$haproxy" && echo "haproxy=$("$haproxy" -v | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
systemctl is-active --quiet mooring-edge.service 2>/dev/null && echo "carries=yes"
echo "listening=$(sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F:]* 0A .*/\1/p' /proc/net/tcp /proc/net/tcp6 2>/dev/null | sort -u | tr '\n' ' ')"
test -r "$1" && echo "owner=$(head -c 100 "$1")"
exit 0
