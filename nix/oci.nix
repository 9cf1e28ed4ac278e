# The image for both architectures in one OCI archive, with the contents that packaging/build-oci gives.
{
  lib,
  runCommand,
  jq,
  amd64,
  arm64,
}:

runCommand "micropypi-oci" { nativeBuildInputs = [ jq ]; } ''
  bash ${
    lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions [
        ../packaging
        ../LICENSE
      ];
    }
  }/packaging/oci/assemble $out amd64=${lib.getExe amd64} arm64=${lib.getExe arm64}
''
