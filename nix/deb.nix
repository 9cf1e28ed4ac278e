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
    dpkg-deb --fsys-tarfile $out/*.deb | if grep -q -a /nix/store; then
      echo "the .deb refers to the Nix store" >&2
      exit 1
    fi
  ''
