//! Core metadata (PyPA's specification): the fields of METADATA and PKG-INFO. Everybody may call it.

use mailparse::ParsedMail;

use super::{DistFilename, ProjectName, ReleaseVersion};

/// Core metadata, as far as anybody here asks for it. Fields that are not there are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the specification, in its order")]
pub struct CoreMetadata {
    pub metadata_version: String,
    pub name: String,
    pub version: String,
    pub dynamic: Vec<String>,
    pub platforms: Vec<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub description_content_type: Option<String>,
    pub keywords: Option<String>,
    pub author: Option<String>,
    pub author_email: Option<String>,
    pub maintainer: Option<String>,
    pub maintainer_email: Option<String>,
    pub license: Option<String>,
    pub license_expression: Option<String>,
    pub classifiers: Vec<String>,
    pub requires_dist: Vec<String>,
    pub requires_python: Option<String>,
    /// Label and URL.
    pub project_urls: Vec<(String, String)>,
    pub provides_extra: Vec<String>,
    pub home_page: Option<String>,
    pub download_url: Option<String>,
}

/// What is wrong with core metadata. Each is a sentence for the uploader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MetadataError {
    #[error("the metadata inside the file is not UTF-8")]
    NotUtf8,
    #[error("the metadata inside the file cannot be read: {0}")]
    Malformed(String),
    #[error("the metadata inside the file has no field {0}")]
    Missing(&'static str),
    #[error("the metadata inside the file is of {found}, but the file name {file} says {expected}")]
    OtherName {
        file: String,
        found: String,
        expected: String,
    },
    #[error("the metadata inside the file says version {found}, but the file name {file} says {expected}")]
    OtherVersion {
        file: String,
        found: String,
        expected: ReleaseVersion,
    },
}

impl CoreMetadata {
    /// Reads METADATA or PKG-INFO.
    ///
    /// # Errors
    /// When it is not UTF-8, not of the form of an RFC 822 header, or has no name or version.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        std::str::from_utf8(bytes).map_err(|_| MetadataError::NotUtf8)?;
        let mail = mailparse::parse_mail(bytes).map_err(|error| MetadataError::Malformed(error.to_string()))?;
        let fields = Fields(&mail);
        Ok(Self {
            metadata_version: fields.one("Metadata-Version").unwrap_or_default(),
            name: fields.one("Name").ok_or(MetadataError::Missing("Name"))?,
            version: fields.one("Version").ok_or(MetadataError::Missing("Version"))?,
            dynamic: fields.all("Dynamic"),
            platforms: fields.all("Platform"),
            summary: fields.one("Summary"),
            description: fields.one("Description").or_else(|| fields.body()),
            description_content_type: fields.one("Description-Content-Type"),
            keywords: fields.one("Keywords"),
            author: fields.one("Author"),
            author_email: fields.one("Author-email"),
            maintainer: fields.one("Maintainer"),
            maintainer_email: fields.one("Maintainer-email"),
            license: fields.one("License"),
            license_expression: fields.one("License-Expression"),
            classifiers: fields.all("Classifier"),
            requires_dist: fields.all("Requires-Dist"),
            requires_python: fields.one("Requires-Python"),
            project_urls: fields
                .all("Project-URL")
                .iter()
                .filter_map(|text| labelled(text))
                .collect(),
            provides_extra: fields.all("Provides-Extra"),
            home_page: fields.one("Home-page"),
            download_url: fields.one("Download-URL"),
        })
    }

    /// Compares name and version with the file name's: by normalized name, and by what the versions mean.
    ///
    /// # Errors
    /// When one differs.
    pub fn agrees_with(&self, filename: &DistFilename) -> Result<(), MetadataError> {
        let file = || filename.as_str().to_owned();
        if ProjectName::parse(&self.name).as_ref() != Ok(filename.project()) {
            let (found, expected) = (self.name.clone(), filename.name().to_owned());
            return Err(MetadataError::OtherName {
                file: file(),
                found,
                expected,
            });
        }
        if ReleaseVersion::parse_lenient(&self.version).as_ref() != Ok(filename.version()) {
            let (found, expected) = (self.version.clone(), filename.version().clone());
            return Err(MetadataError::OtherVersion {
                file: file(),
                found,
                expected,
            });
        }
        Ok(())
    }
}

struct Fields<'a>(&'a ParsedMail<'a>);

impl Fields<'_> {
    /// Tools of old write `UNKNOWN` for what they were not told.
    fn one(&self, name: &str) -> Option<String> {
        let value = self.raw(name).next()?;
        (!value.is_empty() && value != "UNKNOWN").then_some(value)
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.raw(name)
            .filter(|value| !value.is_empty() && value != "UNKNOWN")
            .collect()
    }

    /// The bytes as they are: core metadata is UTF-8 and knows no encoded words (RFC 2047).
    fn raw<'n>(&self, name: &'n str) -> impl Iterator<Item = String> + use<'_, 'n> {
        let matches = move |header: &&mailparse::MailHeader<'_>| header.get_key_ref().eq_ignore_ascii_case(name);
        self.0
            .headers
            .iter()
            .filter(matches)
            .map(|header| String::from_utf8_lossy(header.get_value_raw()).trim().to_owned())
    }

    fn body(&self) -> Option<String> {
        let body = String::from_utf8_lossy(&self.0.get_body_raw().ok()?).trim().to_owned();
        (!body.is_empty()).then_some(body)
    }
}

fn labelled(text: &str) -> Option<(String, String)> {
    let (label, url) = text.split_once(',')?;
    Some((label.trim().to_owned(), url.trim().to_owned()))
}
