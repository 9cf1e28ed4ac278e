# micropypi_VERSION_ARCH.deb, with the contents that packaging/build-deb gives.
{
  lib,
  runCommand,
  dpkg,
  program,
  runnable,
  arch,
}:

runCommand "micropypi-${arch}-deb"
  {
    nativeBuildInputs = [ dpkg ];
  }
  ''
    bash ${../packaging}/deb/assemble ${lib.getExe program} ${arch} $out ${lib.getExe runnable}
    # With the hash: the sandbox of mpy-cross names the store itself, wherever it was built.
    dpkg-deb -x $out/*.deb contents
    if grep -r -l -a -E '/nix/store/[0-9a-z]{32}-' contents; then
      echo "the .deb refers to the Nix store" >&2
      exit 1
    fi
  ''
