#!/bin/sh
# Builds the archive of one target, and for Linux with glibc also the Debian package: build.sh TARGET FOLDER
# TARGET is such as linux-x64, linux-arm64-musl or darwin-arm64. Needs the packages of `npm ci`.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh TARGET FOLDER" >&2; exit 2; }
target=$1
case $target in
  linux-x64 | linux-arm64 | linux-x64-musl | linux-arm64-musl | darwin-x64 | darwin-arm64) ;;
  *) echo "Cannot build: unknown target (received $target)." >&2; exit 2 ;;
esac
mkdir -p "$2"
folder=$(cd "$2" && pwd)

cd "$(dirname "$0")/../.."
version=$(node -p 'require("./package.json").version')
name=evenkeel-$version-$target
mkdir -p "$folder/$name"

# `npm run build` for this target: the later value of a flag counts.
npm run --silent build -- --outfile "$folder/$name/evenkeel" --target="bun-$target"
rm -f "$folder/$name/evenkeel.map"

cp LICENSE README.md CHANGELOG.md SECURITY.md public/evenkeel.schema.json "$folder/$name/"
cp -R docs packaging examples "$folder/$name/"
tar -C "$folder" -czf "$folder/$name.tar.gz" "$name"

case $target in
  linux-x64) packaging/debian/build.sh "$folder/$name/evenkeel" "$version" amd64 "$folder" ;;
  linux-arm64) packaging/debian/build.sh "$folder/$name/evenkeel" "$version" arm64 "$folder" ;;
esac
rm -rf "${folder:?}/$name"
