//! The module by which a board finds this server: `GET /micropypi.py` and `GET /micropypi.mpy`.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::mdns::{BOARD_BYTECODE, BOARD_MODULE};

pub(super) async fn source() -> Response {
    ([(CONTENT_TYPE, "text/x-python; charset=utf-8")], BOARD_MODULE).into_response()
}

pub(super) async fn bytecode() -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], BOARD_BYTECODE).into_response()
}
