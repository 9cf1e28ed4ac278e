# `nix flake check`: what CI does with Debian's packages, done with nixpkgs' own, and the module in virtual machines.
{
  pkgs,
  self,
  packages,
}:

let
  inherit (pkgs) lib;

  inspect =
    name: tool: script:
    pkgs.runCommand "micropypi-${name}" { nativeBuildInputs = [ tool ]; } script;

  evaluated = pkgs.nixos {
    imports = [ self.nixosModules.default ];
    services.micropypi = {
      enable = true;
      openFirewall = true;
      htpasswdFile = "/run/secrets/htpasswd";
      settings.store.overwrite = true;
    };
    boot.isContainer = true;
    system.stateVersion = "26.05";
  };

  vmTest = file: pkgs.testers.runNixOSTest (import file { module = self.nixosModules.default; });
in
{
  # The rooms' own tests; the black-box ones install real clients, and that needs the network.
  tests = packages.default.overrideAttrs (_: {
    pname = "micropypi-tests";
    doCheck = true;
    cargoTestFlags = [
      "--lib"
      "--bins"
    ];
    # They run programs of /bin and /usr/bin, which Nix's sandbox has not.
    checkFlags = [
      "--skip=board::sandbox::"
      "--skip=board::mpy::tests::a_program_that_writes_nothing"
    ];
  });

  deb-contents = inspect "deb-contents" pkgs.dpkg ''
    dpkg-deb --fsys-tarfile ${packages.deb}/*.deb | tar -t >contents
    for file in usr/bin/micropypi usr/lib/systemd/system/micropypi.service etc/micropypi/config.toml; do
      grep -qx "./$file" contents
    done
    mv contents "$out"
  '';

  image-contents = inspect "image-contents" pkgs.jq ''
    tar -xf ${packages.oci}/*.tar
    index=blobs/sha256/$(jq -r '.manifests[0].digest | ltrimstr("sha256:")' index.json)
    jq -e '[.manifests[].platform.architecture] == ["amd64", "arm64"]' "$index" >"$out"
  '';

  vm-machine = vmTest ./tests/machine.nix;
  vm-lan = vmTest ./tests/lan.nix;
}
# The stand-in for nixpkgs that CI evaluates the flake with has neither NixOS nor clippy. There tests/packaging/nix evaluates the
# module, and CI runs clippy by itself.
// lib.optionalAttrs (pkgs ? nixos) {
  clippy = packages.default.overrideAttrs (old: {
    pname = "micropypi-clippy";
    nativeBuildInputs = (old.nativeBuildInputs or [ ]) ++ [ pkgs.clippy ];
    buildPhase = "cargo clippy --all-targets --offline -- -D warnings";
    installPhase = "touch $out";
    postInstall = "";
  });

  module = evaluated.config.systemd.units."micropypi.service".unit;
}
