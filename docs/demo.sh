#!/usr/bin/env bash
# Shows what Assay does, on images that qemu-img makes in a temporary folder:
# `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
assay=$PWD/bin/assay
if ! command -v qemu-img >/dev/null; then
	echo "demo: qemu-img is not installed (Debian package qemu-utils)" >&2
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

step() { printf '\n\n== %s\n' "$*"; }

# try runs a command the way a user would, and shows its exit status.
try() {
	printf '\n$ %s\n' "${*/#$assay/assay}"
	local status=0
	"$@" || status=$?
	printf '(exit status %d)\n' "$status"
}

qemu() { qemu-img "$@" >/dev/null; }

# A disk with something on it, as qcow2.
head -c 3M /dev/urandom >data.raw
truncate -s 64M data.raw
qemu convert -f raw -O qcow2 data.raw good.qcow2
qemu create -f qcow2 -o cluster_size=512,compat=0.10 old.qcow2 64M

step 'Good images'
try "$assay" inspect good.qcow2 old.qcow2

step 'An image that would read a file of the host'
qemu create -f qcow2 -u -b /etc/passwd -F raw backing.qcow2 64M
try "$assay" inspect backing.qcow2

step 'An image that keeps its data in another file'
qemu create -f qcow2 -o data_file=outside.raw data-file.qcow2 64M
try "$assay" inspect data-file.qcow2

step 'An image that ends too early: qemu-img would convert it to zeros, with exit status 0'
head -c $(($(stat -c %s good.qcow2) - 1048576)) good.qcow2 >cut.qcow2
try qemu-img convert -f qcow2 -O raw cut.qcow2 silent.raw
try "$assay" inspect --deep cut.qcow2

step 'A qcow2 said to be raw'
try "$assay" inspect --claim raw good.qcow2

step 'Vet and convert'
try "$assay" convert --to raw good.qcow2 good.raw
try cmp data.raw good.raw
try "$assay" convert --to raw backing.qcow2 never.raw
try test -e never.raw

step 'For programs'
try "$assay" inspect --json backing.qcow2

step 'What works on this system'
try "$assay" doctor
