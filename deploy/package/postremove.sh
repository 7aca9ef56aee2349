#!/bin/sh
# Runs when the files are gone. dpkg says "remove", "purge" or "upgrade"; rpm says how many versions are left.
# State and configuration stay until dpkg purges them; rpm has no such step.
set -eu

case "${1-}" in
remove | purge | 0)
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
	;;
esac

if [ "${1-}" = purge ]; then
	# With DynamicUser= the state lies in private, behind a link.
	for dir in gslb gslb-discover; do
		rm -rf "/var/lib/$dir" "/var/lib/private/$dir"
	done
	# The group goes with the user, if it has no other members.
	if getent passwd gslb >/dev/null; then
		userdel gslb || true
	fi
fi
