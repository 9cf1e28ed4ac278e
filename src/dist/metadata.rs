//! Core metadata, as `METADATA` of a wheel and `PKG-INFO` of an sdist hold it. Everybody may call it.

use std::borrow::Cow;

use super::{DistFilename, NameError, ProjectName, ReleaseVersion, VersionError};

/// PyPA's [core metadata], 1.0 to 2.5, read leniently: fields that are of no use here are skipped, what is empty or
/// `UNKNOWN` counts as absent.
///
/// [core metadata]: https://packaging.python.org/en/latest/specifications/core-metadata/
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the specification's")]
pub struct CoreMetadata {
    pub metadata_version: String,
    /// As written, not normalized.
    pub name: String,
    /// As written.
    pub version: String,
    pub summary: Option<String>,
    /// The body of the file, or the `Description` field of old.
    pub description: Option<String>,
    pub description_content_type: Option<String>,
    pub keywords: Option<String>,
    pub author: Option<String>,
    pub author_email: Option<String>,
    pub maintainer: Option<String>,
    pub maintainer_email: Option<String>,
    pub license: Option<String>,
    pub license_expression: Option<String>,
    pub home_page: Option<String>,
    pub download_url: Option<String>,
    /// Pairs of label and URL.
    pub project_urls: Vec<(String, String)>,
    pub classifiers: Vec<String>,
    pub requires_python: Option<String>,
    pub requires_dist: Vec<String>,
    pub provides_extra: Vec<String>,
    pub dynamic: Vec<String>,
}

/// Why core metadata cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Bytes that are no text.
    #[error("the core metadata is not UTF-8: byte {0} is out of place")]
    NotUtf8(usize),
    /// A required field is missing or empty.
    #[error("the core metadata has no field {0}")]
    Missing(&'static str),
    /// The field `Name` is no project name.
    #[error("the field Name of the core metadata is not usable")]
    Name(#[source] NameError),
    /// The field `Version` is no version.
    #[error("the field Version of the core metadata is not usable")]
    Version(#[source] VersionError),
    /// The metadata tells of another project than the file name.
    #[error("the core metadata is of project {metadata:?}, the file name of {file:?}")]
    OtherProject {
        /// What the metadata says.
        metadata: String,
        /// What the file name says.
        file: String,
    },
    /// The metadata tells of another version than the file name.
    #[error("the core metadata is of version {metadata:?}, the file name of {file:?}")]
    OtherVersion {
        /// What the metadata says.
        metadata: String,
        /// What the file name says.
        file: String,
    },
}

impl CoreMetadata {
    /// Parses the bytes of `METADATA` or `PKG-INFO`.
    ///
    /// # Errors
    /// [`MetadataError`], when they are not UTF-8 or lack `Name` or `Version`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        let text = str::from_utf8(bytes).map_err(|error| MetadataError::NotUtf8(error.valid_up_to()))?;
        let mut metadata = Self::default();
        let body = metadata.take_headers(text.trim_start_matches('\u{feff}'));
        if !body.trim().is_empty() {
            metadata.description = Some(body.to_owned());
        }
        required(&metadata.name, "Name")?;
        required(&metadata.version, "Version")?;
        Ok(metadata)
    }

    /// Whether name and version agree with the file name's, by normalized name and PEP 440 equality.
    ///
    /// # Errors
    /// [`MetadataError`], which says what each of them has.
    pub fn agrees_with(&self, filename: &DistFilename) -> Result<(), MetadataError> {
        let project = ProjectName::parse(&self.name).map_err(MetadataError::Name)?;
        if project != *filename.project() {
            return Err(MetadataError::OtherProject {
                metadata: self.name.clone(),
                file: filename.name().to_owned(),
            });
        }
        let version = ReleaseVersion::parse_lenient(&self.version).map_err(MetadataError::Version)?;
        if version != *filename.version() {
            return Err(MetadataError::OtherVersion {
                metadata: self.version.clone(),
                file: filename.version().to_string(),
            });
        }
        Ok(())
    }

    /// Takes the fields at the head of the text, and gives the rest of it, the body.
    fn take_headers<'a>(&mut self, text: &'a str) -> &'a str {
        let mut rest = text;
        loop {
            if let Some(body) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) {
                return body;
            }
            // Fails on nothing but an empty text and a continuation line that continues nothing.
            let Ok((header, length)) = mailparse::parse_header(rest.as_bytes()) else {
                return rest;
            };
            let value = String::from_utf8_lossy(header.get_value_raw());
            self.take_field(&header.get_key_ref().to_ascii_lowercase(), &value);
            rest = &rest[length..];
        }
    }

    fn take_field(&mut self, field: &str, raw: &str) {
        let value = raw.trim();
        if value.is_empty() || value == "UNKNOWN" {
            return;
        }
        if let Some(slot) = self.required_field(field) {
            value.clone_into(slot);
        } else if let Some(slot) = self.optional_field(field) {
            *slot = Some(unfold(value).into_owned());
        } else if let Some(list) = self.list_field(field) {
            list.push(value.to_owned());
        } else if field == "project-url" {
            let (label, url) = value.split_once(',').unwrap_or(("", value));
            self.project_urls.push((label.trim().to_owned(), url.trim().to_owned()));
        }
    }

    fn required_field(&mut self, field: &str) -> Option<&mut String> {
        match field {
            "metadata-version" => Some(&mut self.metadata_version),
            "name" => Some(&mut self.name),
            "version" => Some(&mut self.version),
            _ => None,
        }
    }

    fn optional_field(&mut self, field: &str) -> Option<&mut Option<String>> {
        Some(match field {
            "summary" => &mut self.summary,
            "description" => &mut self.description,
            "description-content-type" => &mut self.description_content_type,
            "keywords" => &mut self.keywords,
            "author" => &mut self.author,
            "author-email" => &mut self.author_email,
            "maintainer" => &mut self.maintainer,
            "maintainer-email" => &mut self.maintainer_email,
            "license" => &mut self.license,
            "license-expression" => &mut self.license_expression,
            "home-page" => &mut self.home_page,
            "download-url" => &mut self.download_url,
            "requires-python" => &mut self.requires_python,
            _ => return None,
        })
    }

    fn list_field(&mut self, field: &str) -> Option<&mut Vec<String>> {
        Some(match field {
            "classifier" => &mut self.classifiers,
            "requires-dist" => &mut self.requires_dist,
            "provides-extra" => &mut self.provides_extra,
            "dynamic" => &mut self.dynamic,
            _ => return None,
        })
    }
}

fn required(value: &str, field: &'static str) -> Result<(), MetadataError> {
    if value.is_empty() {
        return Err(MetadataError::Missing(field));
    }
    Ok(())
}

/// Undoes what writers do to the lines of a long field: distutils indents them by 8 spaces, the specification by 7 and a `|`.
fn unfold(value: &str) -> Cow<'_, str> {
    if !value.contains('\n') {
        return Cow::Borrowed(value);
    }
    let lines: Vec<&str> = value.lines().map(unfold_line).collect();
    Cow::Owned(lines.join("\n"))
}

fn unfold_line(line: &str) -> &str {
    let indented = line.strip_prefix("       |").or_else(|| line.strip_prefix("        "));
    indented.unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODERN: &str = "Metadata-Version: 2.4\nName: Micro_Dot\nVersion: 1.0\nSummary: tiny\nKeywords: a,b\n\
        Project-URL: Source, http://example/a,b\nClassifier: A :: B\nClassifier: C\nRequires-Dist: foo>=1; extra == 'x'\n\
        Provides-Extra: x\nRequires-Python: >=3.8\nLicense-Expression: MIT\nDynamic: Summary\nX-Odd: 1\n\nHello\n\nWorld: 1\n";

    #[test]
    fn modern_metadata_is_read() {
        let metadata = CoreMetadata::parse(MODERN.as_bytes()).unwrap();
        assert_eq!(
            (metadata.name.as_str(), metadata.version.as_str()),
            ("Micro_Dot", "1.0")
        );
        assert_eq!(metadata.description.as_deref(), Some("Hello\n\nWorld: 1\n"));
        assert_eq!(metadata.classifiers, ["A :: B", "C"]);
        assert_eq!(
            metadata.project_urls,
            [("Source".to_owned(), "http://example/a,b".to_owned())]
        );
        assert_eq!(metadata.requires_dist, ["foo>=1; extra == 'x'"]);
        assert_eq!(metadata.requires_python.as_deref(), Some(">=3.8"));
    }

    #[test]
    fn windows_lines_and_a_byte_order_mark_are_read() {
        let windows = format!("\u{feff}{}", MODERN.replace('\n', "\r\n"));
        let metadata = CoreMetadata::parse(windows.as_bytes()).unwrap();
        assert_eq!(
            (metadata.name.as_str(), metadata.summary.as_deref()),
            ("Micro_Dot", Some("tiny"))
        );
        assert_eq!(metadata.description.as_deref(), Some("Hello\r\n\r\nWorld: 1\r\n"));
    }

    #[test]
    fn distutils_metadata_is_read() {
        let old = b"Metadata-Version: 1.0\nName: a\nVersion: 1\nLicense: UNKNOWN\nAuthor: J\xc3\xbcrgen\nDescription: One\n        Two\n          deeper\n        \nClassifier: UNKNOWN\n";
        let metadata = CoreMetadata::parse(old).unwrap();
        assert_eq!(metadata.description.as_deref(), Some("One\nTwo\n  deeper"));
        assert_eq!((metadata.license, metadata.classifiers.len()), (None, 0));
        assert_eq!(metadata.author.as_deref(), Some("Jürgen"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(CoreMetadata::parse(b""), Err(MetadataError::Missing("Name")));
        assert_eq!(
            CoreMetadata::parse(b"Metadata-Version: 2.1\nName: a\nVersion:\n"),
            Err(MetadataError::Missing("Version"))
        );
        assert_eq!(CoreMetadata::parse(b"Name: \xff"), Err(MetadataError::NotUtf8(6)));
    }

    #[test]
    fn agreement_is_by_meaning() {
        let metadata = CoreMetadata::parse(MODERN.as_bytes()).unwrap();
        let agrees = |file: &str| metadata.agrees_with(&DistFilename::parse(file).unwrap());
        assert_eq!(agrees("micro.dot-1.0.0.tar.gz"), Ok(()));
        assert!(matches!(
            agrees("microdot-1.0.tar.gz"),
            Err(MetadataError::OtherProject { .. })
        ));
        let other = agrees("micro_dot-1.1-py3-none-any.whl").unwrap_err();
        assert_eq!(
            other.to_string(),
            r#"the core metadata is of version "1.0", the file name of "1.1""#
        );
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = CoreMetadata::parse(&bytes);
        }

        #[test]
        fn parse_never_panics_on_lines(lines in prop::collection::vec("(Name|Version|Metadata-Version|Description| |\t)?(:| )?[ a-zé\r]{0,8}", 0..8)) {
            let _ = CoreMetadata::parse(lines.join("\n").as_bytes());
        }
    }
}
