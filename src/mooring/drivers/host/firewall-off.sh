# Undoes firewall.sh. What is not there need not be undone.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
test ! -e /etc/systemd/system/mooring-firewall.service || systemctl disable --quiet --now mooring-firewall.service
rm -f /etc/systemd/system/mooring-firewall.service /etc/mooring/firewall.nft /etc/mooring/.firewall.new /etc/mooring/.unit.new
systemctl daemon-reload
test ! -d /etc/mooring || rmdir --ignore-fail-on-non-empty /etc/mooring
if command -v nft >/dev/null && nft list table inet mooring >/dev/null 2>&1; then nft delete table inet mooring; fi
