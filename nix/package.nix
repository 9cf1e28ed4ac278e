# The program with all that belongs to an installation (packaging/stage). Its tests run in checks.nix: some of them want a network
# namespace or a real client.
{
  lib,
  rustPlatform,
  # The same program for the machine that builds, which prints man page and completions; null where this one can.
  runnable ? null,
}:

rustPlatform.buildRustPackage {
  pname = "micropypi";
  inherit ((lib.importTOML ../Cargo.toml).package) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../clippy.toml
      ../src
      ../packaging
      ../tests
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  doCheck = false;

  postInstall = ''
    mv "$out/bin/micropypi" .
    bash packaging/stage micropypi "" "$out" ${
      lib.optionalString (runnable != null) (lib.getExe runnable)
    }
  '';

  meta = {
    description = "Package index for MicroPython on a LAN: twine in; pip, uv, upip and mip out";
    license = lib.licenses.mit;
    mainProgram = "micropypi";
    platforms = lib.platforms.linux;
  };
}
