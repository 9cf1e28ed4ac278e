//! The multipart form of PyPI's legacy upload API: its file goes to the staging
//! area piece by piece, the few fields that matter are kept, all others are read and dropped. Called by `upload.rs`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use multer::{Field, Multipart};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

use super::FormLimits;
use super::request_log::Subject;
use crate::dist::{ClaimedDigests, DigestMismatch, DistFilename, NameError, ProjectName, ReleaseVersion, VersionError};
use crate::index::{Index, Upload};
use crate::store::{Staged, StoreError};

/// Bytes that are gathered before a thread is asked to hash and write them.
const BATCH: usize = 256 << 10;
/// Bytes between two fields, or of a field's head, after which the form is taken for damaged. The parser itself would
/// gather them without end.
const BETWEEN_FIELDS: usize = 256 << 10;
/// How long a refused client may go on sending.
const LINGER: Duration = Duration::from_secs(30);
/// Bytes of a detached OpenPGP signature; PyPI's own limit.
pub(super) const SIGNATURE_BYTES: usize = 8 << 10;

/// What a form may ask for.
const ACTIONS: [&str; 5] = ["file_upload", "submit", "verify", "remove_pkg", "doc_upload"];

/// Why a form cannot be used. Each is a sentence for the uploader.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    #[error("this is no upload form: send multipart/form-data, as twine and uv publish do")]
    NoForm,
    #[error("the form is damaged or was cut short")]
    Multipart(#[source] multer::Error),
    #[error("nothing arrived for {seconds} seconds")]
    Idle { seconds: u64 },
    #[error("the file is larger than the {limit} bytes that this server takes ([limits] upload_bytes)")]
    TooLarge { limit: u64 },
    #[error("the form has more than {limit} fields ([limits] form_fields)")]
    TooManyFields { limit: usize },
    #[error("the form field {field} is larger than {limit} bytes ([limits] field_bytes)")]
    FieldTooLarge { field: String, limit: usize },
    #[error("the gpg_signature is larger than {SIGNATURE_BYTES} bytes; make a detached one: gpg --armor --detach-sign")]
    SignatureTooLarge,
    #[error("the form has the field {0} twice")]
    Twice(String),
    #[error("the form has no field {0}")]
    Missing(&'static str),
    #[error("the form field {0} is not UTF-8")]
    NotText(String),
    #[error("the form field content has no file name")]
    NoFileName,
    #[error("the action {0:?} is none of {actions}", actions = ACTIONS.join(", "))]
    UnknownAction(String),
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

/// What a form asks for.
pub(super) enum Form {
    /// `:action=file_upload`
    Upload(Box<Upload>),
    /// `:action=remove_pkg`
    Remove(ProjectName, ReleaseVersion),
    /// `:action=submit` or `verify`: of an older protocol, and nothing to do.
    Nothing,
    /// `:action=doc_upload`
    Docs,
}

/// Reads a form to its end, the file into the staging area. `subject` learns what it is about on the way.
///
/// # Errors
/// When the form is of no use. What remains of the body was read too, as far as that is reasonable: a client that is
/// still sending would see a broken connection in place of the answer.
pub(super) async fn read(
    index: &Arc<Index>,
    limits: FormLimits,
    subject: &Subject,
    headers: &HeaderMap,
    body: Body,
) -> Result<Form, FormError> {
    let mut body = body.into_data_stream();
    let form = Reader {
        index,
        limits,
        subject,
        fields: Fields::default(),
    }
    .read(headers, &mut body)
    .await;
    // Who has fallen silent is not waited for once more.
    if !matches!(form, Ok(_) | Err(FormError::Idle { .. })) {
        linger(&mut body, limits.idle).await;
    }
    form
}

/// Reads and drops the rest of a refused body, however large: a client that is still sending would see a broken connection
/// in place of the answer, as nginx does, which then answers 502. Not for ever, since a stranger could hold the connection
/// by it.
pub(super) async fn linger(body: &mut BodyDataStream, idle: Duration) {
    let drain = async { while let Ok(Some(Ok(_))) = timeout(idle, body.next()).await {} };
    timeout(LINGER, drain).await.ok();
}

/// The fields that matter.
#[derive(Default)]
struct Fields {
    count: usize,
    action: Option<String>,
    name: Option<String>,
    version: Option<String>,
    md5: Option<String>,
    sha256: Option<String>,
    blake2b_256: Option<String>,
    content: Option<(String, Staged)>,
    signature: Option<Vec<u8>>,
}

struct Reader<'a> {
    index: &'a Arc<Index>,
    limits: FormLimits,
    subject: &'a Subject,
    fields: Fields,
}

impl Reader<'_> {
    async fn read(mut self, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Form, FormError> {
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .ok_or(FormError::NoForm)?;
        let boundary = multer::parse_boundary(media_type).map_err(|_| FormError::NoForm)?;
        let unclaimed = Arc::new(AtomicUsize::new(0));
        let mut form = Multipart::new(patient(body, self.limits.idle, Arc::clone(&unclaimed)), boundary);
        while let Some(field) = form.next_field().await.map_err(|error| self.damage(error))? {
            unclaimed.store(0, Ordering::Relaxed);
            self.fields.count += 1;
            if self.fields.count > self.limits.fields {
                return Err(FormError::TooManyFields {
                    limit: self.limits.fields,
                });
            }
            self.field(field, &unclaimed).await?;
        }
        self.fields.finish()
    }

    async fn field(&mut self, mut field: Field<'_>, unclaimed: &AtomicUsize) -> Result<(), FormError> {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "content" {
            if self.fields.content.is_some() {
                return Err(FormError::Twice(name));
            }
            let content = self.content(&mut field, unclaimed).await?;
            return once(&mut self.fields.content, content, &name);
        }
        if name == "gpg_signature" {
            let signature = self.bytes(&mut field, unclaimed, SIGNATURE_BYTES).await?;
            let signature = signature.ok_or(FormError::SignatureTooLarge)?;
            return once(&mut self.fields.signature, signature, &name);
        }
        let Some(slot) = self.fields.slot(&name) else {
            return self.skip(&mut field, unclaimed, &name).await;
        };
        let is_taken = slot.is_some();
        let bytes = self.bytes(&mut field, unclaimed, self.limits.field_bytes).await?;
        let bytes = bytes.ok_or_else(|| self.too_large(&name))?;
        let text = String::from_utf8(bytes).map_err(|_| FormError::NotText(name.clone()))?;
        if is_taken {
            return Err(FormError::Twice(name));
        }
        if name == ":action"
            && let Some(action) = ACTIONS.iter().find(|action| **action == text.trim())
        {
            self.subject.note_action(action);
        }
        if name == "name"
            && let Ok(project) = ProjectName::parse(text.trim())
        {
            self.subject.note_project(&project);
        }
        *self.fields.slot(&name).expect("the slot was there before") = Some(text.trim().to_owned());
        Ok(())
    }

    /// Streams the file into the staging area. A thread is asked only when a batch is full, so that a slow client
    /// occupies none.
    async fn content(&self, field: &mut Field<'_>, unclaimed: &AtomicUsize) -> Result<(String, Staged), FormError> {
        let file_name = field
            .file_name()
            .filter(|name| !name.is_empty())
            .ok_or(FormError::NoFileName)?
            .to_owned();
        if let Ok(name) = DistFilename::parse(&file_name) {
            self.subject.note_file(name.project(), &file_name.as_str().into());
        }
        let index = Arc::clone(self.index);
        let mut staged = spawn_blocking(move || index.store().stage()).await??;
        let mut batch = BytesMut::with_capacity(BATCH);
        let mut size = 0u64;
        loop {
            let piece = self.piece(field, unclaimed).await?;
            let is_end = piece.is_none();
            let piece = piece.unwrap_or_default();
            size += piece.len() as u64;
            if size > self.limits.upload_bytes {
                return Err(FormError::TooLarge {
                    limit: self.limits.upload_bytes,
                });
            }
            batch.extend_from_slice(&piece);
            if is_end || batch.len() >= BATCH {
                (staged, batch) = spawn_blocking(move || {
                    staged.write(&batch)?;
                    batch.clear();
                    Ok::<_, StoreError>((staged, batch))
                })
                .await??;
            }
            if is_end {
                return Ok((file_name, staged));
            }
        }
    }

    /// The whole field; None when it is larger than `limit`.
    async fn bytes(
        &self,
        field: &mut Field<'_>,
        unclaimed: &AtomicUsize,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, FormError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(field, unclaimed).await? {
            if bytes.len() + piece.len() > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes))
    }

    async fn skip(&self, field: &mut Field<'_>, unclaimed: &AtomicUsize, name: &str) -> Result<(), FormError> {
        let mut size = 0;
        while let Some(piece) = self.piece(field, unclaimed).await? {
            size += piece.len();
            if size > self.limits.field_bytes {
                return Err(self.too_large(name));
            }
        }
        Ok(())
    }

    fn too_large(&self, field: &str) -> FormError {
        FormError::FieldTooLarge {
            field: field.to_owned(),
            limit: self.limits.field_bytes,
        }
    }

    async fn piece(&self, field: &mut Field<'_>, unclaimed: &AtomicUsize) -> Result<Option<Bytes>, FormError> {
        let piece = field.chunk().await.map_err(|error| self.damage(error))?;
        unclaimed.store(0, Ordering::Relaxed);
        Ok(piece)
    }

    fn damage(&self, error: multer::Error) -> FormError {
        match &error {
            multer::Error::StreamReadFailed(cause) if is_timeout(&**cause) => FormError::Idle {
                seconds: self.limits.idle.as_secs(),
            },
            _ => FormError::Multipart(error),
        }
    }
}

impl Fields {
    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            ":action" => &mut self.action,
            "name" => &mut self.name,
            "version" => &mut self.version,
            "md5_digest" => &mut self.md5,
            "sha256_digest" => &mut self.sha256,
            "blake2_256_digest" => &mut self.blake2b_256,
            _ => return None,
        })
    }

    fn finish(self) -> Result<Form, FormError> {
        match self.action.as_deref() {
            Some("file_upload") => self.upload(),
            Some("remove_pkg") => {
                let name = ProjectName::parse(&self.name.ok_or(FormError::Missing("name"))?)?;
                let version = self.version.ok_or(FormError::Missing("version"))?;
                Ok(Form::Remove(name, ReleaseVersion::parse_lenient(&version)?))
            }
            Some("submit" | "verify") => Ok(Form::Nothing),
            Some("doc_upload") => Ok(Form::Docs),
            Some(other) => Err(FormError::UnknownAction(other.to_owned())),
            None => Err(FormError::Missing(":action")),
        }
    }

    fn upload(self) -> Result<Form, FormError> {
        let (file_name, staged) = self.content.ok_or(FormError::Missing("content"))?;
        Ok(Form::Upload(Box::new(Upload {
            staged,
            file_name,
            name: self.name.ok_or(FormError::Missing("name"))?,
            version: self.version.ok_or(FormError::Missing("version"))?,
            claimed: ClaimedDigests::parse(self.sha256.as_deref(), self.blake2b_256.as_deref(), self.md5.as_deref())?,
            signature: self.signature,
        })))
    }
}

fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), FormError> {
    match slot {
        Some(_) => Err(FormError::Twice(name.to_owned())),
        None => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// The body, with an end to waiting, and with an end to what is read without anything coming of it.
fn patient(
    body: &mut BodyDataStream,
    idle: Duration,
    unclaimed: Arc<AtomicUsize>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold((body, unclaimed), move |(body, unclaimed)| async move {
        let piece = match timeout(idle, body.next()).await {
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
            Ok(None) => return None,
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Ok(Some(Ok(piece))) if unclaimed.fetch_add(piece.len(), Ordering::Relaxed) > BETWEEN_FIELDS => {
                Err(io::Error::other("no field begins where one should"))
            }
            Ok(Some(Ok(piece))) => Ok(piece),
        };
        Some((piece, (body, unclaimed)))
    })
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
