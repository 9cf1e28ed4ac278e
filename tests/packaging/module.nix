# nix/module.nix in the stand-in for NixOS that CI has: `accepted` holds what an ordinary configuration gives; each of `refused` has to
# fail. Used by `nix`, which says where the stand-in is.
{ standIn, source }:

let
  pkgs = import "${standIn}/default.nix" { };
  # What nixpkgs' lib has and the stand-in has not.
  lib = pkgs.lib // {
    last = list: builtins.elemAt list (builtins.length list - 1);
    toInt = builtins.fromJSON;
    splitString = separator: text: builtins.filter builtins.isString (builtins.split separator text);
    filterAttrsRecursive =
      keep: set:
      builtins.mapAttrs (
        _: value: if builtins.isAttrs value then lib.filterAttrsRecursive keep value else value
      ) (lib.filterAttrs keep set);
  };
  nixos = import "${standIn}/nixos.nix" { inherit lib pkgs; };
  machine =
    options:
    nixos [
      ({ config, ... }: import "${source}/nix/module.nix" { inherit config lib pkgs; })
      {
        services.micropypi = {
          enable = true;
          package = pkgs.callPackage "${source}/nix/package.nix" { };
          settings = { };
        }
        // options;
      }
    ];
in
{
  accepted =
    let
      system = machine {
        openFirewall = true;
        htpasswdFile = "/run/secrets/htpasswd";
        settings = {
          listen = [
            "[::]:8089"
            "127.0.0.1:80"
          ];
          store.watch = "poll";
        };
      };
    in
    {
      inherit (system) failedAssertions unitText;
      inherit (system.networking.firewall) allowedTCPPorts allowedUDPPorts;
    };
  storePath = (machine { htpasswdFile = builtins.toFile "htpasswd" ""; }).failedAssertions;
  refused = {
    level = (machine { settings.log.level = "loud"; }).unitText;
    listen = (machine { settings.listen = 8089; }).unitText;
    option = (machine { htpasswd = "/x"; }).unitText;
  };
}
