//! The lines of configuration that make a client use a server. Called by `discover.rs`.
//!
//! pip and uv get the server beside the index that they have already: build requirements and everything else that is not
//! on a LAN's server still come from there.

use super::browse::Server;

/// A section for `pip.conf`.
pub(super) fn pip(server: &Server) -> String {
    let mut lines = format!(
        "# pip.conf (`pip config debug` shows where); index-url in place of extra-index-url: this server alone\n\
         [global]\n\
         extra-index-url = {}/simple/\n",
        server.url
    );
    if server.scheme == "http" {
        lines += &format!("trusted-host = {}\n", server.authority);
    }
    lines
}

/// What tools call the server. The names that stand for public indexes are not a LAN's to give: twine, without `-r`, and
/// uv would send it the password for those.
fn title(server: &Server) -> &str {
    match server.name.as_str() {
        "pypi" | "testpypi" => "micropypi",
        name => name,
    }
}

/// An index for `uv.toml`. It comes before uv's default index; plain HTTP needs no `allow-insecure-host`.
pub(super) fn uv(server: &Server) -> String {
    let (name, url) = (title(server), &server.url);
    format!(
        "# ~/.config/uv/uv.toml; in pyproject.toml the table is [[tool.uv.index]]\n\
         [[index]]\n\
         name = \"{name}\"\n\
         url = \"{url}/simple/\"\n\
         publish-url = \"{url}/\"\n"
    )
}

/// Sections for `~/.pypirc`.
pub(super) fn pypirc(server: &Server) -> String {
    let (name, url) = (title(server), &server.url);
    let mut lines = format!(
        "# ~/.pypirc; then: twine upload -r {name} dist/*\n\
         [distutils]\n\
         index-servers =\n    {name}\n\
         \n\
         [{name}]\n\
         repository = {url}/\n"
    );
    if !server.uploads_need_password {
        lines += "username = anyone\npassword = anything\n";
    }
    lines
}

/// The calls of mip on a board, and of mpremote on the computer that it is plugged in to.
pub(super) fn mip(server: &Server) -> String {
    let url = &server.url;
    format!(
        "# on the board\n\
         import mip; mip.install(\"PACKAGE\", index=\"{url}\")\n\
         # on the computer\n\
         mpremote mip --index {url} install PACKAGE\n"
    )
}

/// Exports for a POSIX shell.
pub(super) fn env(server: &Server) -> String {
    let (name, url) = (title(server), &server.url);
    let mut lines = format!(
        "export PIP_EXTRA_INDEX_URL='{url}/simple/'\n\
         export UV_INDEX='{name}={url}/simple/'\n\
         export UV_PUBLISH_URL='{url}/'\n\
         export TWINE_REPOSITORY_URL='{url}/'\n"
    );
    if server.scheme == "http" {
        lines += &format!("export PIP_TRUSTED_HOST='{}'\n", server.authority);
    }
    lines
}
