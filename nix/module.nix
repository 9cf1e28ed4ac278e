# services.micropypi: the unit of packaging/, with a generated and checked configuration.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.micropypi;
  format = pkgs.formats.toml { };

  # TOML has no null: a null setting is one that is not set.
  withoutNulls = lib.filterAttrsRecursive (_: value: value != null);

  configFile =
    pkgs.runCommand "micropypi.toml"
      {
        unchecked = format.generate "micropypi-unchecked.toml" (withoutNulls cfg.settings);
      }
      ''
        ${lib.getExe cfg.package} check-config --config "$unchecked"
        cp "$unchecked" "$out"
      '';

  port = address: lib.toInt (lib.last (lib.splitString ":" address));

  setting =
    type: default: description:
    lib.mkOption { inherit type default description; };
in
{
  options.services.micropypi = {
    enable = lib.mkEnableOption "micropypi, a package index for MicroPython on a LAN";

    package = lib.mkPackageOption pkgs "micropypi" { };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether to open the TCP ports of `settings.listen` and `settings.tls.listen` and, where `settings.mdns.enabled`,
        UDP port 5353.
      '';
    };

    htpasswdFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = "/run/secrets/micropypi.htpasswd";
      description = ''
        The password file, as `micropypi passwd` and apache's htpasswd write it. It is handed to the service by systemd's
        LoadCredential, so only root needs to be able to read it; it must be outside of the Nix store, which everybody can
        read. It must exist before the first deployment, or the service does not start:
        `nix run .#default -- passwd alice --file htpasswd` in the flake's folder makes it, and
        `sudo install -D -m 600 htpasswd /var/lib/secrets/htpasswd` puts it into its place. A change counts from the next `systemctl restart micropypi`. Without one, uploads are refused.
      '';
    };

    settings = lib.mkOption {
      default = { };
      example = {
        store.overwrite = true;
        mdns.name = "packages";
      };
      description = ''
        The configuration, as the commented `config.toml` of the package documents it. Settings that have no option here
        are taken as well; all are checked when the system is built.
      '';
      type = lib.types.submodule {
        freeformType = format.type;
        options = {
          listen = setting (lib.types.listOf lib.types.str) [ "[::]:8089" ] ''
            Addresses to listen on; `[::]` is all interfaces, IPv4 and IPv6.
          '';
          base_url = setting (lib.types.nullOr lib.types.str) null ''
            The URL that clients reach the server by, where a proxy hides it; null for what the request says.
          '';
          trusted_proxies = setting (lib.types.listOf lib.types.str) [ ] ''
            Networks whose `X-Forwarded-*` headers are believed.
          '';
          store.overwrite = setting lib.types.bool false ''
            Whether an upload may replace a file that has other content.
          '';
          auth.protect =
            setting
              (lib.types.listOf (
                lib.types.enum [
                  "list"
                  "download"
                  "update"
                ]
              ))
              [ "update" ]
              ''
                What asks for a password. Boards cannot send one.
              '';
          index.latest =
            setting
              (lib.types.enum [
                "newest"
                "stable"
              ])
              "newest"
              ''
                The release for clients that name none; `newest` counts pre-releases too.
              '';
          index.fallback_url = setting (lib.types.nullOr lib.types.str) null ''
            The index that clients are redirected to for a project that is not here; null for 404.
          '';
          mdns.enabled = setting lib.types.bool true ''
            Whether the server is announced on the LAN by mDNS.
          '';
          mdns.name = setting lib.types.str "micropypi" ''
            The name on the LAN, without `.local`.
          '';
          log.level =
            setting
              (lib.types.enum [
                "error"
                "warn"
                "info"
                "debug"
              ])
              "info"
              ''
                The least important level that is written.
              '';
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !(lib.hasPrefix builtins.storeDir (toString cfg.htpasswdFile));
        message = ''
          services.micropypi.htpasswdFile is in the Nix store, where everybody can read it.
          Name a file elsewhere, as a string: "/var/lib/secrets/htpasswd".
        '';
      }
    ];

    environment.systemPackages = [ cfg.package ];

    users.users.micropypi = {
      isSystemUser = true;
      group = "micropypi";
      home = "/var/lib/micropypi";
    };
    users.groups.micropypi = { };

    systemd.packages = [ cfg.package ];
    systemd.services.micropypi = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        # The empty string takes away the unit's own.
        ExecStart = [
          ""
          "${lib.getExe cfg.package} serve --config ${configFile}"
        ];
        # The configuration was checked when the system was built.
        ExecReload = [
          ""
          "/bin/sh -c 'kill -HUP $MAINPID'"
        ];
        # The rest of the system is read-only for it.
        ReadWritePaths = map (path: "-${path}") (
          builtins.filter (lib.hasPrefix "/") (cfg.settings.store.packages or [ ])
        );
      }
      // lib.optionalAttrs (cfg.htpasswdFile != null) {
        LoadCredential = [ "htpasswd:${toString cfg.htpasswdFile}" ];
      };
    };

    networking.firewall = lib.mkIf cfg.openFirewall {
      allowedTCPPorts = map port (cfg.settings.listen ++ cfg.settings.tls.listen or [ ]);
      allowedUDPPorts = lib.optional cfg.settings.mdns.enabled 5353;
    };
  };
}
