//! PyPI's legacy upload API, as twine, uv publish, flit, hatch and poetry speak it: `POST /` and `POST /legacy/`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, EXPECT, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::error::HttpError;
use super::form::{self, Form, FormError};
use super::linger::linger;
use super::respond::{blocking, blocking_in_turn};
use super::right::{check, exchange};
use crate::auth::Action;
use crate::index::Outcome;

const NO_DOCUMENTATION: &str = "Documentation is not hosted here; link to it from the project's metadata";

pub(super) async fn post(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    if let Err(refusal) = admit(&parts, &app).await {
        // A client that asked first (RFC 9110 section 10.1.1) has sent nothing yet.
        if !parts.headers.contains_key(EXPECT) {
            linger(&mut body.into_data_stream(), app.form.idle).await;
        }
        return Err(refusal);
    }
    let subject = &exchange(&parts).subject;
    let form = form::read(&app.index, app.form, subject, &parts.headers, body).await?;
    perform(app, &parts, form).await
}

/// Refuses what can be refused before the first byte of the body.
async fn admit(parts: &Parts, app: &App) -> Result<(), HttpError> {
    if is_sent_by_another_site(&parts.headers) {
        return Err(HttpError::AnotherSite);
    }
    check(parts, app, Action::Upload).await?;
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > app.form.form_bytes()) {
        return Err(FormError::FormTooLarge(app.form).into());
    }
    Ok(())
}

/// Whether a browser sends this for a page of another site, which may know neither the password that the browser keeps nor
/// the LAN that it is in. All browsers say so (<https://www.w3.org/TR/fetch-metadata/>) over HTTPS; over HTTP they name the
/// page's origin. Other clients send neither.
fn is_sent_by_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority.map(|(_, authority)| authority.as_bytes()) != headers.get(HOST).map(HeaderValue::as_bytes)
}

async fn perform(app: Arc<App>, parts: &Parts, form: Form) -> Result<Response, HttpError> {
    match form {
        Form::Nothing => Ok(StatusCode::OK.into_response()),
        Form::Docs => Err(HttpError::Gone(NO_DOCUMENTATION)),
        Form::Remove(project, version) => {
            check(parts, &app, Action::Remove).await?;
            let missing = HttpError::NotFound(format!("{project} {version}"));
            let removed = blocking(move || app.index.remove(&project, Some(&version))).await??;
            if removed.is_empty() {
                return Err(missing);
            }
            Ok(format!("removed {}\n", removed.join(", ")).into_response())
        }
        Form::Upload(upload) => {
            let turn = app.index.upload_turn().await;
            let outcome = blocking_in_turn(turn, move || app.index.publish(*upload)).await??;
            Ok(match outcome {
                Outcome::Published => "published\n",
                Outcome::Unchanged => "unchanged: the same file is here already\n",
                Outcome::Changed => "published, and replaced or removed by hand since\n",
            }
            .into_response())
        }
    }
}
