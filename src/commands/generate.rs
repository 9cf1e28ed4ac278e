//! `man` and `completions`, which the packages call: made from the command line's own types.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// Where things are when a package has installed the service, in roff.
const FILES: &str = r"
.SH FILES
.TP
\fI/etc/micropypi/config.toml\fR
The configuration; it tells of every setting.
.TP
\fI/etc/micropypi/htpasswd\fR
The users and their passwords, as \fBmicropypi passwd\fR writes them.
.TP
\fI/var/lib/micropypi/packages\fR
The packages of the service. With the two files above, all there is to back up.
.TP
\fI/var/cache/micropypi\fR
What is derived from them; it may be deleted at any time.
";

/// The settings that take a few words, by their flags. It is the configuration that checks them, and tells of every mistake
/// at once, so that the command line itself does not know them.
const WORDS: [(&str, [&str; 4]); 2] = [
    ("log_level", ["error", "warn", "info", "debug"]),
    ("protect", ["list", "download", "update", "none"]),
];

/// The man page, in roff: the server's own options, then each command's under a heading of its own.
pub(super) fn man() -> io::Result<Vec<u8>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut start = Vec::new();
    Man::new(command.clone()).render(&mut start)?;
    // What clap_mangen makes of the text after the help.
    let mut page = text(&start).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        // clap lists each command by a page of its own, which there is not.
        let own_page = format!("{}(1)", escaped(command.get_display_name().unwrap_or_default()));
        page = page.replace(&own_page, &escaped(called(command)));
        // The options of `serve` are those that the page begins with.
        if command.get_name() != "serve" {
            page.push_str(&section(command)?);
        }
    }
    page.push_str(FILES.trim_start());
    Ok(page.into_bytes())
}

/// What the man page says of a command.
fn section(command: &Command) -> io::Result<String> {
    let mut section = Vec::new();
    let man = Man::new(command.clone());
    man.render_synopsis_section(&mut section)?;
    man.render_description_section(&mut section)?;
    man.render_options_section(&mut section)?;
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut section)?;
    }
    let heading = escaped(&called(command).to_uppercase());
    let section = text(&section).replace(".SH EXTRA", ".SH NOTES").replace(".SH ", ".SS ");
    Ok(format!(".SH \"{heading}\"\n{section}"))
}

/// How a command is called: `micropypi serve`.
fn called(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

fn escaped(name: &str) -> String {
    name.replace('-', r"\-")
}

fn text(roff: &[u8]) -> String {
    String::from_utf8_lossy(roff).into_owned()
}

/// The completions for a shell.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = offering_words(without_hidden(&Cli::command())).mut_subcommand("serve", offering_words);
    clap_complete::generate(shell, &mut command, "micropypi", &mut script);
    script
}

/// clap_complete's scripts for bash and fish offer hidden commands, too.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("micropypi")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments())
        .subcommands(shown)
}

fn offering_words(command: Command) -> Command {
    WORDS.into_iter().fold(command, |command, (flag, words)| {
        command.mut_arg(flag, |arg| arg.value_parser(words))
    })
}
