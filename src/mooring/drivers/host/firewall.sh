# Closes the ports of instances to everybody but whoever is connected now, here and after the host has booted; nothing else is touched.
# $1-$2: the ports. Before the engine of containers sends them on; what is done already stays as it is.
set -eu
umask 022
PATH="$PATH:/usr/sbin:/sbin"
edge="${SSH_CONNECTION%% *}"
edge="${edge%%%*}"
sshd="${SSH_CONNECTION##* }"
case "$edge" in ''|*[!0-9a-fA-F.:]*) echo "no address of the controller's in SSH_CONNECTION" >&2; exit 1 ;; *:*) family=ip6 ;; *) family=ip ;; esac
case "$1$2$sshd" in *[!0-9]*) echo "a port is a number" >&2; exit 1 ;; esac
mkdir -p /etc/mooring
cat >/etc/mooring/.firewall.new <<RULES
# $1-$2 but from $edge
table inet mooring
delete table inet mooring
table inet mooring {
  chain instances {
    type filter hook prerouting priority -150; policy accept;
    iifname "lo" accept
    ct state established,related accept
    tcp dport $sshd accept
    $family saddr $edge accept
    fib daddr type local tcp dport $1-$2 drop
  }
}
RULES
cat >/etc/mooring/.unit.new <<UNIT
[Unit]
Description=The ports of Mooring's instances are closed to everybody but the edge
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$(command -v nft) -f /etc/mooring/firewall.nft
ExecStop=$(command -v nft) delete table inet mooring

[Install]
WantedBy=multi-user.target
UNIT
nft --check -f /etc/mooring/.firewall.new
mv /etc/mooring/.firewall.new /etc/mooring/firewall.nft
mv /etc/mooring/.unit.new /etc/systemd/system/mooring-firewall.service
systemctl daemon-reload
systemctl enable --quiet mooring-firewall.service
systemctl restart mooring-firewall.service
