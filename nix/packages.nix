# Everything that the flake builds, for one `pkgs`.
{ pkgs }:

let
  native = pkgs.callPackage ./package.nix { };
  static = pkgs.pkgsStatic.callPackage ./package.nix { runnable = native; };
  cross = crossPkgs: crossPkgs.pkgsStatic.callPackage ./package.nix { runnable = native; };
  arm64 =
    if pkgs.stdenv.hostPlatform.isAarch64 then
      static
    else
      cross pkgs.pkgsCross.aarch64-multiplatform-musl;
  amd64 = if pkgs.stdenv.hostPlatform.isx86_64 then static else cross pkgs.pkgsCross.musl64;
  deb =
    arch: program:
    pkgs.callPackage ./deb.nix {
      inherit arch program;
      runnable = native;
    };
in
{
  default = native;
  inherit static;
  deb = if pkgs.stdenv.hostPlatform.isAarch64 then deb "arm64" arm64 else deb "amd64" amd64;
  deb-arm64 = deb "arm64" arm64;
  oci = pkgs.callPackage ./oci.nix { inherit amd64 arm64; };
}
# nixpkgs has this cross target; the stand-in that CI evaluates the flake with has not.
// pkgs.lib.optionalAttrs (pkgs.pkgsCross ? armv7l-hf-multiplatform) {
  deb-armhf = deb "armhf" (cross pkgs.pkgsCross.armv7l-hf-multiplatform);
}
