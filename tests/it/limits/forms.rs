//! Forms that say too much, too little, or nothing at all.

use std::io::Write;

use crate::dists::Dist;
use crate::form::{Form, content_type};
use crate::harness::{Server, Site};
use crate::raw::{Request, Response, connect};

#[test]
fn too_large() {
    let server = Site::new().set("limits.upload_bytes", "1000").start();
    let dist = Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", vec![7; 100_000]);
    Form::upload(&dist).post(&server).assert_says(413, &["1000"]);
    server.site.assert_holds(&[]);
}

/// How large the whole is does not tell of what.
#[test]
fn too_large_a_form_is_not_put_down_to_the_file() {
    let server = Site::new()
        .set("limits.upload_bytes", "10000")
        .set("limits.field_bytes", "1000")
        .start();
    let dist = Dist::sdist("blinky", "1.0");
    let form = Form::upload(&dist).field("description", &"x".repeat(20_000));
    form.post(&server).assert_says(
        413,
        &[
            "the form is larger than 11000 bytes",
            "10000 for the file ([limits] upload_bytes)",
            "1000 for what is beside it ([limits] field_bytes)",
        ],
    );
    server.site.assert_holds(&[]);
}

/// nginx answers 502 in its own words where it cannot pass on all.
#[test]
fn a_refused_body_is_taken_however_large() {
    let server = Site::new().set("limits.upload_bytes", "1000").start();
    let form = || Request::new("POST", "/").body(&content_type(), vec![7; 64 << 20]);
    for (request, status) in [(form().by_user(), 413), (form(), 401)] {
        let mut stream = connect(server.address).unwrap();
        stream
            .write_all(&request.bytes(server.address))
            .expect("the server goes on reading");
        assert_eq!(Response::read(&mut stream).unwrap().status, status);
    }
}

#[test]
fn too_many_fields_and_too_large_a_field() {
    let server = Site::new()
        .set("limits.form_fields", "20")
        .set("limits.field_bytes", "1000")
        .start();
    let many = (0..30).fold(Form::default(), |form, number| {
        form.field("classifiers", &number.to_string())
    });
    many.post(&server).assert_says(400, &["20", "fields"]);
    let dist = Dist::sdist("blinky", "1.0");
    let long = |field: &str| {
        let form = Form::fields_of(&dist).field(field, &"x".repeat(1001));
        form.file("content", &dist.filename, &dist.bytes).post(&server)
    };
    // One that is read, and one that is not.
    for field in ["md5_digest", "description"] {
        let words = format!("the form field {field} is larger than 1000 bytes");
        long(field).assert_says(400, &[&words]);
    }
    server.site.assert_holds(&[]);
}

#[test]
fn a_signature_that_is_none() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let signed = Form::upload(&dist).file("gpg_signature", "blinky-1.0.tar.gz.asc", &[b'x'; 9_000]);
    let answer = signed.post(&server);
    answer.assert_says(400, &["gpg_signature is larger than 8192 bytes"]);
    assert!(
        !answer.text().contains("[limits]"),
        "no setting helps: {}",
        answer.text()
    );
    server.site.assert_holds(&[]);
}

#[test]
fn no_content_or_two() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    Form::fields_of(&dist).post(&server).assert_says(400, &["content"]);
    let twice = Form::upload(&dist).file("content", &dist.filename, &dist.bytes);
    twice.post(&server).assert_says(400, &["content", "twice"]);
    let no_file = Form::fields_of(&dist).field("content", "text");
    no_file.post(&server).assert_says(400, &["content", "file name"]);
    Form::default()
        .file("content", &dist.filename, &dist.bytes)
        .post(&server)
        .assert_says(400, &[":action"]);
    let nameless = Form::default()
        .field(":action", "file_upload")
        .file("content", &dist.filename, &dist.bytes);
    nameless.post(&server).assert_says(400, &["name"]);
    server.site.assert_holds(&[]);
}

#[test]
fn no_form_at_all() {
    let server = Server::start();
    server
        .send(Request::new("POST", "/").by_user())
        .assert_says(400, &["multipart/form-data"]);
    let json = Request::new("POST", "/")
        .by_user()
        .body("application/json", b"{}".to_vec());
    server.send(json).assert_says(400, &["multipart/form-data"]);
    let cut = Form::upload(&Dist::sdist("blinky", "1.0")).into_unfinished();
    server
        .send(Request::new("POST", "/").by_user().body(&content_type(), cut))
        .assert_says(400, &["cut short"]);
    server.site.assert_holds(&[]);
}
