# One machine: a package goes in by twine and comes out by pip and by mip, and outlives a restart; a reload goes on serving.
{ module }:

{
  name = "micropypi-machine";

  nodes.server =
    { pkgs, ... }:
    {
      imports = [ module ];
      services.micropypi = {
        enable = true;
        htpasswdFile = "/etc/htpasswd";
        settings.mdns.enabled = false;
      };
      environment.systemPackages = [
        pkgs.twine
        pkgs.micropython
        pkgs.apacheHttpd
        pkgs.jq
        (pkgs.python3.withPackages (python: [
          python.pip
          python.build
          python.setuptools
          python.wheel
        ]))
      ];
      systemd.tmpfiles.rules = [ "f /etc/htpasswd 0600 root root" ];
      environment.etc."project/setup.py".text = ''
        from setuptools import setup
        setup(name="micropython-greet", version="0.2.0rc99+dev42", py_modules=["greet"])
      '';
      environment.etc."project/greet.py".text = ''
        print("hello from the board")
      '';
    };

  testScript = ''
    url = "http://127.0.0.1:8089"

    def set_password(password):
        server.succeed(f"htpasswd -B -b -c /etc/htpasswd alice {password}")
        server.systemctl("restart micropypi.service")
        server.wait_for_unit("micropypi.service")

    def upload(password):
        return f"twine upload --repository-url {url}/ -u alice -p {password} /tmp/project/dist/*"

    server.wait_for_unit("micropypi.service")
    server.succeed("cp -rL /etc/project /tmp/project")
    server.succeed("cd /tmp/project && python3 -m build --no-isolation")

    with subtest("uploads need the password"):
        server.fail(upload("secret"))
        set_password("secret")
        server.succeed(upload("secret"))

    with subtest("pip installs what twine uploaded"):
        server.succeed(f"pip install --no-deps --target /tmp/host --index-url {url}/simple/ micropython-greet==0.2.0rc99+dev42")
        server.succeed("PYTHONPATH=/tmp/host python3 -c 'import greet' | grep hello")

    with subtest("a board installs it by mip"):
        server.succeed(
            f"micropython -c \"import mip; mip.install('micropython-greet', index='{url}', target='/tmp/board')\""
        )
        server.succeed("MICROPYPATH=/tmp/board micropython -c 'import greet' | grep hello")

    # MicroPython has no upip since 1.20, and so nixpkgs has none; tests/board runs it. Here its steps are taken by hand.
    with subtest("an old board is told of one tarball, which holds the module"):
        server.succeed(
            f"curl -sf {url}/Micropython_Greet/json | jq -er '.releases.\"0.2.0rc99+dev42\"[0].url' >/tmp/tarball"
        )
        server.succeed("curl -sf $(cat /tmp/tarball) | tar -xzO --wildcards '*greet.py' | grep hello")

    with subtest("a restart loses nothing, and takes a new password"):
        set_password("other")
        server.succeed(f"curl -sf {url}/simple/micropython-greet/ | grep -F '.whl'")
        server.fail(upload("secret"))
        server.succeed(upload("other"))

    with subtest("a reload goes on serving"):
        server.succeed("systemctl reload micropypi.service")
        server.succeed(f"curl -sf {url}/simple/micropython-greet/ | grep -F '.whl'")
  '';
}
