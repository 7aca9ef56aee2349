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

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ $first = no ]; then
		# A server that does not come up must not leave the package half installed.
		systemctl try-restart gslb.service gslb-discover.service || true
	fi
fi

if [ $first = yes ]; then
	cat <<-TEXT
		gslb is installed, and not started. Say in /etc/gslb/zones.toml what it is to answer, then:
		    gslb check /etc/gslb/zones.toml
		    systemctl enable --now gslb
	TEXT
fi
