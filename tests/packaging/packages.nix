# nix/deb.nix and nix/oci.nix in the stand-in for nixpkgs that CI has, over programs that packaging/build-static has made: what they
# pack has to be what packaging/ packs. Used by `nix`, which says where the stand-in is.
{
  standIn,
  source,
  programs,
}:

let
  pkgs = import "${standIn}/default.nix" { };
  built = builtins.mapAttrs (
    arch: file:
    pkgs.runCommand "micropypi-${arch}" { meta.mainProgram = "micropypi"; } ''
      install -D ${builtins.path { path = file; }} "$out/bin/micropypi"
    ''
  ) programs;
in
{
  deb = builtins.mapAttrs (
    arch: program:
    pkgs.callPackage "${source}/nix/deb.nix" {
      inherit arch program;
      runnable = built.amd64;
    }
  ) built;
  oci = pkgs.callPackage "${source}/nix/oci.nix" { inherit (built) amd64 arm64; };
}
