//! The multipart form of PyPI's legacy upload API: its file goes to the staging area piece by piece, the few fields that
//! matter are kept, all others are read and dropped. Called by `upload.rs`.

use std::collections::HashMap;
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
use super::linger::linger;
use super::request_log::Subject;
use crate::dist::{ClaimedDigests, DigestMismatch, DistFilename, NameError, ProjectName, ReleaseVersion, VersionError};
use crate::index::{Index, Upload};
use crate::store::{Staged, StoreError};

/// Bytes that are gathered before a thread is asked to hash and write them.
const BATCH: usize = 256 << 10;
/// Bytes between two fields, or of a field's head, after which the form is taken for damaged. The parser itself would
/// gather them without end.
const BETWEEN_FIELDS: usize = 256 << 10;
/// Bytes of a detached OpenPGP signature; PyPI's own limit.
pub(super) const SIGNATURE_BYTES: usize = 8 << 10;

/// What a form may ask for.
const ACTIONS: [&str; 5] = ["file_upload", "submit", "verify", "remove_pkg", "doc_upload"];

/// The fields of text that matter.
const TEXTS: [&str; 6] = [
    ":action",
    "name",
    "version",
    "md5_digest",
    "sha256_digest",
    "blake2_256_digest",
];

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
    #[error(
        "the form is larger than {} bytes: this server takes {} for the file ([limits] upload_bytes) and {} for what is \
         beside it ([limits] field_bytes)",
        .0.form_bytes(),
        .0.upload_bytes,
        .0.field_bytes
    )]
    FormTooLarge(FormLimits),
    #[error("the form has more than {limit} fields ([limits] form_fields)")]
    TooManyFields { limit: usize },
    #[error("the form field {field} is larger than {limit} bytes ([limits] field_bytes)")]
    FieldTooLarge { field: String, limit: usize },
    #[error("the gpg_signature is larger than {SIGNATURE_BYTES} bytes; make a detached one: gpg --armor --detach-sign")]
    SignatureTooLarge,
    #[error("the form has the field {0} twice")]
    Twice(String),
    #[error("the form lacks the field `{0}`")]
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
        unclaimed: Arc::default(),
    }
    .read(headers, &mut body)
    .await;
    // Who has fallen silent is not waited for once more.
    if !matches!(form, Ok(_) | Err(FormError::Idle { .. })) {
        linger(&mut body, limits.idle).await;
    }
    form
}

/// The fields that matter.
#[derive(Default)]
struct Fields {
    count: usize,
    texts: HashMap<&'static str, String>,
    content: Option<(String, Staged)>,
    signature: Option<Vec<u8>>,
}

struct Reader<'a> {
    index: &'a Arc<Index>,
    limits: FormLimits,
    subject: &'a Subject,
    fields: Fields,
    /// Bytes that have arrived since anything came of some.
    unclaimed: Arc<AtomicUsize>,
}

impl Reader<'_> {
    async fn read(mut self, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Form, FormError> {
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .ok_or(FormError::NoForm)?;
        let boundary = multer::parse_boundary(media_type).map_err(|_| FormError::NoForm)?;
        let body = patient(body, self.limits.idle, Arc::clone(&self.unclaimed));
        let mut form = Multipart::new(body, boundary);
        while let Some(field) = form.next_field().await.map_err(|error| self.damage(error))? {
            self.unclaimed.store(0, Ordering::Relaxed);
            self.fields.count += 1;
            if self.fields.count > self.limits.fields {
                return Err(FormError::TooManyFields {
                    limit: self.limits.fields,
                });
            }
            self.field(field).await?;
        }
        self.fields.finish()
    }

    async fn field(&mut self, mut field: Field<'_>) -> Result<(), FormError> {
        let name = field.name().unwrap_or_default().to_owned();
        if self.fields.has(&name) {
            return Err(FormError::Twice(name));
        }
        if name == "content" {
            self.fields.content = Some(self.content(&mut field).await?);
        } else if name == "gpg_signature" {
            let signature = self.bytes(&mut field, SIGNATURE_BYTES).await?;
            self.fields.signature = Some(signature.ok_or(FormError::SignatureTooLarge)?);
        } else if let Some(known) = TEXTS.into_iter().find(|known| *known == name) {
            let text = self.text(&mut field, known).await?;
            self.note(known, &text);
            self.fields.texts.insert(known, text);
        } else {
            self.skip(&mut field, &name).await?;
        }
        Ok(())
    }

    async fn text(&self, field: &mut Field<'_>, name: &str) -> Result<String, FormError> {
        let bytes = self.bytes(field, self.limits.field_bytes).await?;
        let bytes = bytes.ok_or_else(|| self.too_large(name))?;
        let text = String::from_utf8(bytes).map_err(|_| FormError::NotText(name.to_owned()))?;
        Ok(text.trim().to_owned())
    }

    /// Tells the log what the form is about.
    fn note(&self, name: &str, text: &str) {
        match name {
            ":action" => {
                if let Some(action) = ACTIONS.iter().find(|action| **action == text) {
                    self.subject.note_action(action);
                }
            }
            "name" => {
                if let Ok(project) = ProjectName::parse(text) {
                    self.subject.note_project(&project);
                }
            }
            _ => {}
        }
    }

    /// Streams the file into the staging area. A thread is asked only when a batch is full, so that a slow client
    /// occupies none.
    async fn content(&self, field: &mut Field<'_>) -> Result<(String, Staged), FormError> {
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
            let piece = self.piece(field).await?;
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
    async fn bytes(&self, field: &mut Field<'_>, limit: usize) -> Result<Option<Vec<u8>>, FormError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(field).await? {
            if bytes.len() + piece.len() > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes))
    }

    async fn skip(&self, field: &mut Field<'_>, name: &str) -> Result<(), FormError> {
        let mut size = 0;
        while let Some(piece) = self.piece(field).await? {
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

    async fn piece(&self, field: &mut Field<'_>) -> Result<Option<Bytes>, FormError> {
        let piece = field.chunk().await.map_err(|error| self.damage(error))?;
        self.unclaimed.store(0, Ordering::Relaxed);
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
    fn has(&self, name: &str) -> bool {
        match name {
            "content" => self.content.is_some(),
            "gpg_signature" => self.signature.is_some(),
            name => self.texts.contains_key(name),
        }
    }

    fn take(&mut self, name: &'static str) -> Result<String, FormError> {
        self.texts.remove(name).ok_or(FormError::Missing(name))
    }

    fn finish(mut self) -> Result<Form, FormError> {
        match self.take(":action")?.as_str() {
            "file_upload" => self.upload(),
            "remove_pkg" => {
                let name = ProjectName::parse(&self.take("name")?)?;
                let version = ReleaseVersion::parse_lenient(&self.take("version")?)?;
                Ok(Form::Remove(name, version))
            }
            "submit" | "verify" => Ok(Form::Nothing),
            "doc_upload" => Ok(Form::Docs),
            other => Err(FormError::UnknownAction(other.to_owned())),
        }
    }

    fn upload(mut self) -> Result<Form, FormError> {
        let (file_name, staged) = self.content.take().ok_or(FormError::Missing("content"))?;
        let (name, version) = (self.take("name")?, self.take("version")?);
        let digest = |field| self.texts.get(field).map(String::as_str);
        let [sha256, blake2b_256, md5] = ["sha256_digest", "blake2_256_digest", "md5_digest"].map(digest);
        Ok(Form::Upload(Box::new(Upload {
            staged,
            file_name,
            name,
            version,
            claimed: ClaimedDigests::parse(sha256, blake2b_256, md5)?,
            signature: self.signature,
        })))
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
