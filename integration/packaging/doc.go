// Package packaging tests the packages: it installs, upgrades, removes and purges them with dpkg and rpm, in a
// copy of this machine's file system that is thrown away (overlayfs), as root. See deploy/nfpm.yaml.
package packaging
