{
  description = "micropypi: a package index for MicroPython on your LAN";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      packages = eachSystem (pkgs: import ./nix/packages.nix { inherit pkgs; });
    in
    {
      inherit packages;

      overlays.default = final: _prev: {
        micropypi = final.callPackage ./nix/package.nix { };
      };

      nixosModules.default =
        { pkgs, ... }:
        {
          imports = [ ./nix/module.nix ];
          services.micropypi.package = lib.mkDefault packages.${pkgs.stdenv.hostPlatform.system}.default;
        };

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe packages.${pkgs.stdenv.hostPlatform.system}.default;
          meta.description = "The quick trial: serves ./data/packages on port 8089";
        };
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ packages.${pkgs.stdenv.hostPlatform.system}.default ];
          packages = [
            pkgs.clippy
            pkgs.rustfmt
            pkgs.rust-analyzer
            pkgs.dpkg
            pkgs.jq
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      checks = eachSystem (
        pkgs:
        import ./nix/checks.nix {
          inherit pkgs self;
          packages = packages.${pkgs.stdenv.hostPlatform.system};
        }
      );
    };
}
