#!/bin/sh
# Puts the executable and every file that it needs into a folder, which then is the whole content of the image.
# Usage: root-files.sh EXECUTABLE FOLDER
set -eu
[ $# -eq 2 ] || { echo "usage: root-files.sh EXECUTABLE FOLDER" >&2; exit 2; }
executable=$1
root=$2

# The user of the image: a number, because there is no file of users. Kubernetes checks that it is not root.
user=65532

mkdir -p "$root/usr/bin" "$root/etc/evenkeel" "$root/etc/ssl/certs" "$root/dev" "$root/proc" "$root/tmp" "$root/var/lib/evenkeel"
install -m 0755 "$executable" "$root/usr/bin/evenkeel"

# Libraries and the loader, at the paths where the loader looks for them. The kernel provides linux-vdso itself.
ldd "$executable" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  install -m 0755 "$library" "$root$library"
done

# Container runtimes put files of their own in place of this one.
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
# Names come from the hosts file and from DNS.
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
# The system's authorities, for upstreams with https.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi

chmod 1777 "$root/tmp"
chmod 0700 "$root/var/lib/evenkeel"
chown "$user:$user" "$root/var/lib/evenkeel"
