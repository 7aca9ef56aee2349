#!/bin/sh
# Runs when the files are in place. dpkg says "configure" and, if there was one, the version before;
# rpm says how many versions are installed.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

if ! getent passwd gslb >/dev/null; then
	if has systemd-sysusers; then
		systemd-sysusers gslb.conf
	else
		useradd --system --user-group --no-create-home --home-dir /var/lib/gslb --shell /usr/sbin/nologin gslb
	fi
fi

case "${1-}/${2-}" in
configure/ | 1/) first=yes ;;
*) first=no ;;
esac

# upgrade has the running server hand over to the program that has just come, without losing a query. One
# that refuses goes on serving, and is left alone; one that can't be asked is restarted.
upgrade() {
	status=0
	gslb upgrade /etc/gslb/zones.toml || status=$?
	case $status in
	0) ;;
	1) echo "The server of the version before goes on. When the cause is mended: gslb upgrade" >&2 ;;
	*) systemctl try-restart gslb.service || true ;;
	esac
}

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ $first = no ]; then
		if systemctl is-active --quiet gslb.service; then
			upgrade
		fi
		systemctl try-restart gslb-discover.service || true
	fi
fi

if [ $first = yes ]; then
	cat <<-TEXT
		gslb is installed, and not started. Say in /etc/gslb/zones.toml what it is to answer, then:
		    gslb check /etc/gslb/zones.toml
		    systemctl enable --now gslb
	TEXT
fi
