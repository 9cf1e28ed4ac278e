//! `micropypi discover`: what it prints, and what each client makes of that.

use crate::LISTEN;
use crate::lan::Lan;
use crate::peers::{Listener, MICROPYPI, Server, client, discover, discovered, eventually};

#[test]
fn discover_prints_what_each_client_needs() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let nobody = discover(&client, &[]);
    assert_eq!(nobody.status.code(), Some(1));
    let hint = String::from_utf8(nobody.stderr).unwrap();
    assert!(hint.contains("micropypi serve") && hint.contains("5353"), "{hint}");

    let _server = Server::announced(&lan.host_at("server", &["10.77.0.1/24", "fd77::1/64"]), LISTEN);
    let table = discovered(&client, &[]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row,
        ["micropypi", "http://10.77.0.1:8089", env!("CARGO_PKG_VERSION"), "0"]
    );
    let json: serde_json::Value = serde_json::from_str(&discovered(&client, &["--json"])).unwrap();
    assert_eq!(json[0]["name"], "micropypi");
    assert_eq!(json[0]["url"], "http://10.77.0.1:8089");
    assert_eq!(json[0]["projects"], 0);
    for (flag, line) in [
        ("--pip", "trusted-host = 10.77.0.1:8089"),
        ("--uv", "url = \"http://10.77.0.1:8089/simple/\""),
        ("--pypirc", "repository = http://10.77.0.1:8089/"),
        ("--mip", "index=\"http://10.77.0.1:8089\""),
        ("--env", "export PIP_TRUSTED_HOST='10.77.0.1:8089'"),
    ] {
        let lines = discovered(&client, &[flag, "micropypi.local"]);
        assert!(lines.contains(line), "{flag}: {lines}");
    }
}

#[test]
fn discover_says_when_another_program_has_the_port() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let hog = Listener::hog(&client);
    let output = discover(&client, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("5353 (mDNS) cannot be shared"), "{said}");
    drop(hog);
}

#[test]
fn pip_and_uv_install_by_the_shell_exports() {
    let Some(lan) = Lan::new() else { return };
    let server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    let host = lan.host_at("client", &["10.77.0.2/24"]);
    server.publish("picozero-0.6.1-py3-none-any.whl");
    eventually("the server tells of its project", || {
        discovered(&host, &[]).contains(" 1\n").then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, installer) in [
        ("pip", format!("{} install --quiet --target", client("pip/bin/pip"))),
        ("uv", format!("{} pip install --quiet --target", client("uv/bin/uv"))),
    ] {
        let target = folder.path().join(name);
        let script = format!(
            "eval \"$({MICROPYPI} discover --env)\"; {installer} {} picozero",
            target.display()
        );
        let mut shell = host.command("sh");
        let settings = [
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_RETRIES", "0"),
            ("UV_NO_CONFIG", "1"),
        ];
        let shell = shell.args(["-c", &script]).env("HOME", folder.path()).envs(settings);
        let output = shell.output().unwrap();
        assert!(target.join("picozero/__init__.py").exists(), "{name}: {output:?}");
    }
}
