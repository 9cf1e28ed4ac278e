# nix/ in the stand-in for nixpkgs that CI has. Used by `nix`, which says where the stand-in is. deb.nix and oci.nix are given programs
# that packaging/build-static has made: what they pack has to be what packaging/ packs.
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
  # package.nix without the optimising, which takes twice as long as all the rest.
  quick = (pkgs.callPackage "${source}/nix/package.nix" { }).overrideAttrs (_: {
    CARGO_PROFILE_RELEASE_OPT_LEVEL = "0";
    CARGO_PROFILE_RELEASE_LTO = "off";
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS = "256";
  });
  deb = builtins.mapAttrs (
    arch: program:
    pkgs.callPackage "${source}/nix/deb.nix" {
      inherit arch program;
      runnable = built.amd64;
    }
  ) built;
  oci = pkgs.callPackage "${source}/nix/oci.nix" { inherit (built) amd64 arm64; };
}
