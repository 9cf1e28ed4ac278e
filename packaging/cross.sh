# Sourced by build-static with `arch`, `native`, `target` and `top` set: the environment in which cargo builds for a foreign Debian
# architecture. A machine's own toolchain has only its own standard library, so the foreign one comes from Debian's rustc-web, which
# bookworm-security keeps current; the compiler too, because the two must be of one version. All of it is unpacked below target/, the
# compiler once for all architectures.

cross=$top/target/cross
export PATH=$PATH:/usr/sbin:/sbin

# The mirror's index for armhf is at times older than its pool. Then the file is taken by name, and this is what it must be.
armhf_std="libstd-rust-web-dev_1.96.0+dfsg1-1~deb12u2_armhf.deb"
armhf_std_sha256=b9f9dd1d03a903680f918cb2bba00a2a3d76558545d5e6a8061072ab461bb989

architectures=("$native")

# apt with a state of its own, so that the machine's architectures and sources stay as they are.
cross_apt() {
  "apt-$1" -o Dir::State="$cross/apt" -o Dir::State::status="$cross/apt/status" -o Dir::Cache="$cross/apt" \
    -o Dir::Etc::sourcelist="$cross/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root \
    "${architectures[@]/#/-oAPT::Architectures::=}" -o Acquire::Languages=none -q "${@:2}"
}

cross_index() {
  local mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 -E '/debian/?$') ||
    { echo "build-static: to build for $arch on $native, apt must know a mirror of Debian" >&2; return 1; }
  rm -rf "$cross/debs"
  mkdir -p "$cross/apt/lists/partial" "$cross/apt/archives/partial" "$cross/debs"
  : >"$cross/apt/status"
  printf "deb [signed-by=$key] %s %s main\n" "$mirror" bookworm "${mirror%/}-security" bookworm-security >"$cross/apt/sources.list"
  cross_apt get update
  # One bad index fails them all, so the foreign one comes second: what the first time brought stays.
  architectures+=("$arch")
  cross_apt get update || echo "build-static: the index for $arch could not be read; going on without" >&2
}

cross_fetch() {
  local version
  version=$(cross_apt cache show "rustc-web:$native" | sed -n 's/^Version: //p' | head -1)
  pushd "$cross/debs"
  # Only of the compiler's own version are its libraries any good.
  [ "$(cat "$cross/tree/version" 2>/dev/null)" = "$version" ] || cross_compiler
  cross_apt get download "libstd-rust-web-dev:$arch=$version" || cross_fetch_pinned
  cross_unpack
  popd
  touch "$cross/tree/$arch"
}

cross_compiler() {
  local driver llvm libraries
  rm -rf "$cross/tree"
  driver=libstd-rust-web-$(grep -oE '^[0-9]+\.[0-9]+' <<<"$version")
  llvm=$(cross_apt cache depends "$driver:$native" | grep -oE 'libllvm[0-9]+' | head -1)
  mapfile -t libraries < <(cross_libraries "$llvm")
  cross_apt get download {rustc-web,"$driver",libstd-rust-web-dev}":$native=$version" "${libraries[@]/%/:$native}"
  cross_unpack
  cross_wrapper
  echo "$version" >"$cross/tree/version"
}

# LLVM, and what it needs that a machine with a compiler may lack. The rest is the machine's own: rustc starts the machine's
# linker, which finds what rustc finds.
cross_libraries() {
  cross_apt cache depends --recurse --important "$1:$native" | grep '^[a-z]' |
    grep -vxE 'gcc-[0-9]+-base|libc6|libgcc-s1|liblzma5|libstdc\+\+6|libtinfo6|libzstd1|zlib1g'
}

cross_fetch_pinned() {
  local uri
  [ "$armhf_std" = "libstd-rust-web-dev_${version}_$arch.deb" ] || return 1
  uri=$(cd / && cross_apt get download --print-uris "libstd-rust-web-dev:$native=$version" | grep -oE "^'[^']*'" | tr -d "'")
  /usr/lib/apt/apt-helper download-file "${uri%_*}_$arch.deb" "$armhf_std" "SHA256:$armhf_std_sha256"
}

cross_unpack() {
  local deb
  for deb in *.deb; do dpkg-deb -x "$deb" "$cross/tree"; done
  rm -f ./*.deb
}

# A rustc that finds its own libraries and the standard libraries of all architectures.
cross_wrapper() {
  cat >"$cross/tree/rustc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH='$cross/tree/usr/lib/$(uname -m)-linux-gnu' exec '$cross/tree/usr/bin/rustc' --sysroot '$cross/tree/usr' "\$@"
WRAPPER
  chmod +x "$cross/tree/rustc"
}

linker=${target/-unknown/}-gcc
linker=${linker/#armv7/arm}
if ! command -v "$linker" >/dev/null || [ ! -d "/usr/${linker%-gcc}/include" ]; then
  echo "build-static: $linker or its C library is missing: apt install gcc-${linker%-gcc} libc6-dev-$arch-cross" >&2
  exit 1
fi
mkdir -p "$cross"
# Two builds at once must not unpack the same compiler.
(
  flock 9
  [ -e "$cross/tree/$arch" ] || { cross_index; cross_fetch; } >&2
) 9>"$cross/lock"
export RUSTC=$cross/tree/rustc
target_variable=${target//-/_}
export "CARGO_TARGET_${target_variable^^}_LINKER=$linker"
