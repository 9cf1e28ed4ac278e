//! Pages that are rendered and compressed once per change. Called by `index/`; handed out by `http/`.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::dist::Hex;

/// The representations of the Simple API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/html`, PEP 503.
    Html,
    /// `application/vnd.pypi.simple.v1+json`, PEP 691.
    Json,
}

/// How many directories a page lies below the base URL: its links are relative, so that they hold behind any proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `/simple`
    Zero,
    /// `/{project}/`, `/simple/`, `/project/{project}`
    One,
    /// `/simple/{project}/`, `/project/{project}/`
    Two,
}

impl Depth {
    /// The relative URL of the base URL, with a trailing slash.
    pub fn to_base(self) -> &'static str {
        match self {
            Self::Zero => "./",
            Self::One => "../",
            Self::Two => "../../",
        }
    }
}

/// Below this a compressed page saves no packet.
const WORTH_COMPRESSING: usize = 1_000;

/// A page as it goes out.
#[derive(Debug)]
pub struct Page {
    /// The page.
    pub body: Bytes,
    /// Its entity tag, with quotes (RFC 9110 section 8.8.3).
    pub etag: Bytes,
    /// The page as gzip, with an entity tag of its own, where that is worth it.
    pub gzip: Option<(Bytes, Bytes)>,
}

impl Page {
    pub(super) fn new(body: String) -> Self {
        let digest = Sha256::digest(&body);
        let digest = Hex(&digest[..12]);
        let gzip = (body.len() >= WORTH_COMPRESSING)
            .then(|| (gzip(body.as_bytes()), Bytes::from(format!("\"{digest}-gzip\""))));
        Self {
            body: body.into(),
            etag: Bytes::from(format!("\"{digest}\"")),
            gzip,
        }
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(body).expect("memory takes every byte");
    let mut compressed = encoder.finish().expect("memory takes every byte");
    compressed.shrink_to_fit();
    compressed.into()
}

/// The JSON of what a page tells.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the pages' types have string keys only")
}

/// A page in every format and depth, each rendered when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Pages([[OnceLock<Box<Page>>; 3]; 2]);

impl Pages {
    pub(super) fn get(&self, format: Format, depth: Depth) -> Option<&Page> {
        self.0[format as usize][depth as usize].get().map(|page| &**page)
    }

    pub(super) fn get_or_render(&self, format: Format, depth: Depth, render: impl FnOnce() -> String) -> &Page {
        self.0[format as usize][depth as usize].get_or_init(|| Box::new(Page::new(render())))
    }
}

/// Text with places for the base URL that the client knows this server by.
#[derive(Debug, Default)]
pub struct Template {
    parts: Box<[Box<str>]>,
    /// The base URL that was asked for last, and the text with it: most clients know the server by the same.
    last: ArcSwapOption<(String, Bytes)>,
}

/// What stands for the base URL while a template is written; nothing that JSON can hold unescaped.
pub(super) const BASE: char = '\0';

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self {
            parts: text.split(BASE).map(Into::into).collect(),
            last: ArcSwapOption::empty(),
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The text with `base` in every place.
    pub fn fill(&self, base: String) -> Bytes {
        if let Some(last) = &*self.last.load()
            && last.0 == base
        {
            return last.1.clone();
        }
        let text = Bytes::from(self.parts.join(&*base));
        self.last.store(Some(Arc::new((base, text.clone()))));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asker_gets_its_own_base_url() {
        let template = Template::new(&format!("[{BASE}/a,{BASE}/b]"));
        for base in [
            "http://pi:8089",
            "http://pi:8089",
            "http://192.0.2.1:8089",
            "http://pi:8089",
        ] {
            assert_eq!(
                template.fill(base.to_owned()),
                format!("[{base}/a,{base}/b]").as_bytes()
            );
        }
    }
}
