#!/bin/sh
# Builds the Debian package of an executable: build.sh EXECUTABLE VERSION ARCHITECTURE FOLDER
# ARCHITECTURE is amd64 or arm64. Writes FOLDER/evenkeel_VERSION_ARCHITECTURE.deb and prints its path.
set -eu
[ $# -eq 4 ] || { echo "usage: build.sh EXECUTABLE VERSION ARCHITECTURE FOLDER" >&2; exit 2; }
executable=$1
version=$2
architecture=$3
folder=$4
case $architecture in
  amd64 | arm64) ;;
  *) echo "Cannot build: expected amd64 or arm64 (received $architecture)." >&2; exit 2 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"

install -D -m 0755 "$executable" "$root/usr/bin/evenkeel"
install -D -m 0644 "$project/packaging/systemd/evenkeel.service" "$root/usr/lib/systemd/system/evenkeel.service"
install -D -m 0644 "$project/packaging/systemd/evenkeel.socket" "$root/usr/lib/systemd/system/evenkeel.socket"
install -D -m 0644 "$here/evenkeel.yaml" "$root/etc/evenkeel/evenkeel.yaml"
# Secrets: only root reads it. systemd passes its variables to the service.
install -D -m 0600 "$here/evenkeel.env" "$root/etc/evenkeel/evenkeel.env"
documents=$root/usr/share/doc/evenkeel
install -D -m 0644 "$project/LICENSE" "$documents/copyright"
install -m 0644 "$project"/docs/*.md "$documents"
gzip -9n <"$project/CHANGELOG.md" >"$documents/changelog.gz"
install -D -m 0644 "$project/packaging/systemd/notify-reload.conf" "$documents/examples/notify-reload.conf"
install -m 0644 "$project/packaging/keepalived/keepalived.conf" "$documents/examples/keepalived.conf"
install -m 0644 "$project/packaging/prometheus/evenkeel.rules.yaml" "$documents/examples/evenkeel.rules.yaml"
install -m 0644 "$project/packaging/grafana/evenkeel.json" "$documents/examples/evenkeel-dashboard.json"
install -D -m 0644 "$project/public/evenkeel.schema.json" "$root/usr/share/evenkeel/evenkeel.schema.json"

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do install -m 0755 "$here/$script" "$root/DEBIAN/$script"; done
printf '%s\n' /etc/evenkeel/evenkeel.yaml /etc/evenkeel/evenkeel.env >"$root/DEBIAN/conffiles"
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
cat >"$root/DEBIAN/control" <<END
Package: evenkeel
Version: $version
Architecture: $architecture
Maintainer: Evenkeel <evenkeel@example.com>
Installed-Size: $size
Depends: libc6 (>= 2.17)
Recommends: ca-certificates
Section: net
Priority: optional
Description: HTTP load balancer with a live dashboard
 Evenkeel spreads requests over servers, detects a failed server within
 seconds, and retries on another one. Dashboard, shell commands and an API
 show what it does and change it while it runs.
END

mkdir -p "$folder"
package=$folder/evenkeel_${version}_$architecture.deb
# gzip, because the executable is hardly smaller with slower methods, and every Debian reads it.
dpkg-deb --root-owner-group -Zgzip --build "$root" "$package" >/dev/null
echo "$package"
