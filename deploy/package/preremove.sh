#!/bin/sh
# Runs while the files are still there. dpkg says "remove" or, before another version comes, "upgrade";
# rpm says how many versions will be left.
set -eu

case "${1-}" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now gslb.service gslb.socket gslb-discover.service || true
	fi
	;;
esac
