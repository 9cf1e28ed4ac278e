# A LAN of three: the server announces itself by mDNS; a host and a board find it without knowing an address.
{ module }:

let
  neighbour =
    { pkgs, ... }:
    {
      networking.firewall.allowedUDPPorts = [ 5353 ];
      services.avahi = {
        enable = true;
        nssmdns4 = true;
      };
      environment.systemPackages = [ pkgs.curl ];
    };
in
{
  name = "micropypi-lan";

  nodes = {
    server = {
      imports = [ module ];
      services.micropypi = {
        enable = true;
        openFirewall = true;
      };
    };

    host =
      { config, pkgs, ... }:
      {
        imports = [
          neighbour
          module
        ];
        environment.systemPackages = [
          config.services.micropypi.package
          pkgs.python3Packages.pip
        ];
      };

    board =
      { pkgs, ... }:
      {
        imports = [ neighbour ];
        environment.systemPackages = [ pkgs.micropython ];
      };
  };

  testScript = ''
    start_all()
    server.wait_for_unit("micropypi.service")
    host.wait_for_unit("avahi-daemon.service")
    board.wait_for_unit("avahi-daemon.service")

    server.succeed(
        "mkdir greet-1.0 && echo 'print(\"hello\")' >greet-1.0/greet.py"
        " && printf 'Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n' >greet-1.0/PKG-INFO"
        " && tar -czf /var/lib/micropypi/packages/greet-1.0.tar.gz greet-1.0"
    )

    with subtest("the host finds the server"):
        host.wait_until_succeeds("micropypi discover --json | grep -F micropypi", timeout=60)
        host.succeed("avahi-browse -rtp _pypi._tcp | grep -F micropypi.local")

    with subtest("pip reaches it by the name that was found"):
        host.succeed('eval "$(micropypi discover --env)"; pip index versions greet | grep -F 1.0')

    with subtest("a board installs from the name"):
        board.wait_until_succeeds("curl -sf http://micropypi.local:8089/simple/greet/", timeout=60)
        board.succeed(
            "micropython -c \"import mip; mip.install('greet', index='http://micropypi.local:8089', target='/tmp/board')\""
        )
        board.succeed("MICROPYPATH=/tmp/board micropython -c 'import greet' | grep hello")
  '';
}
