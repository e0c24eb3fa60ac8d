//! The string literals of a source file: what they say, and what they are given to.

/// Who is told what stands directly in these: a log's reader, a caller.
const TOLD: [&str; 12] = [
    "warn!",
    "error!",
    "bail!",
    "ensure!",
    "anyhow!",
    "context",
    "with_context",
    "Err",
    "ok_or",
    "ok_or_else",
    "map_err",
    ERROR,
];
/// thiserror's attribute.
const ERROR: &str = "error";
/// What only puts a text together.
const MAKING: [&str; 2] = ["format!", "concat!"];
/// News, and what operators never see.
const SILENT: [&str; 7] = [
    "info!", "debug!", "trace!", "assert!", "expect", "register", "gauges",
];
/// What opens an attribute.
const ATTRIBUTE: [&str; 2] = ["#", "#!"];
/// Fewer words, given to nobody in particular, are a name or a part of something.
const WORDS: usize = 4;

/// A text in a source.
#[derive(Debug)]
pub(crate) struct Literal<'a> {
    /// In the form of the runbook: on one line, with `…` for what is put in.
    pub(crate) text: String,
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// Functions, macros and attributes around it, the innermost last; empty for a block.
    within: Vec<&'a str>,
    /// As in `target: "plugin"`.
    is_value: bool,
}

/// How surely a literal is a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// It is logged as an error or a warning, or returned as an error.
    Told,
    /// It is long enough to be one.
    Likely,
    /// It is none.
    Not,
}

/// All texts of a source but for its tests, in order.
pub(crate) fn literals(source: &str) -> Vec<Literal<'_>> {
    let reader = Reader {
        source: without_tests(source),
        at: 0,
        within: Vec::new(),
        found: Vec::new(),
    };
    reader.read()
}

// === impl Literal ===

impl Literal<'_> {
    /// What it is to operators.
    pub(crate) fn message(&self) -> Message {
        let has_words = self.text.contains(char::is_alphabetic);
        let is_long = self.text.split_whitespace().count() >= WORDS;
        match has_words {
            true if self.is_told() => Message::Told,
            true if is_long && !self.is_silent() => Message::Likely,
            _ => Message::Not,
        }
    }

    fn is_told(&self) -> bool {
        let named = |name: &&&str| !name.is_empty() && !MAKING.contains(*name);
        let mut around = self.within.iter().rev().filter(named);
        let Some(inner) = around.next().filter(|inner| TOLD.contains(*inner)) else {
            return false;
        };
        let in_attribute = around.next().is_some_and(|outer| ATTRIBUTE.contains(outer));
        !self.is_value && in_attribute == (*inner == ERROR)
    }

    fn is_silent(&self) -> bool {
        let is_silent = |name: &&str| SILENT.contains(name) || ATTRIBUTE.contains(name);
        self.within.iter().any(is_silent)
    }
}

/// Tests stand at a file's end.
fn without_tests(source: &str) -> &str {
    let mut ends = source.match_indices("#[cfg(test)]\n").map(|(at, _)| at);
    let is_module = |at: &usize| {
        let next = source[*at..].lines().nth(1);
        next.is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    &source[..ends.find(is_module).unwrap_or(source.len())]
}

/// Goes through a source from mark to mark: quotes, brackets, comments.
struct Reader<'a> {
    source: &'a str,
    at: usize,
    within: Vec<&'a str>,
    found: Vec<Literal<'a>>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn read(mut self) -> Vec<Literal<'a>> {
        let marks = ['"', '\'', '/', '(', '[', '{', ')', ']', '}'];
        while let Some(step) = self.source[self.at..].find(marks) {
            self.at += step;
            self.at += self.mark();
        }
        self.found
    }

    /// Takes in what begins here, and says how long it is.
    fn mark(&mut self) -> usize {
        let (before, here) = self.source.split_at(self.at);
        match here.as_bytes()[0] {
            b'"' => return self.text(before, here),
            b'\'' => return letter(here),
            b'/' if here.starts_with("//") => return here.find('\n').unwrap_or(here.len()),
            b'/' => {}
            open @ (b'(' | b'[' | b'{') => self.within.push(owner(before, open)),
            _ => drop(self.within.pop()),
        }
        1
    }

    fn text(&mut self, before: &'a str, here: &'a str) -> usize {
        let prefix = last_word(before);
        let (inside, end) = match prefix.trim_start_matches('b').strip_prefix('r') {
            Some(hashes) => raw(&here[1..], hashes),
            None => (plain(&here[1..]), 1),
        };
        if !prefix.starts_with('b') {
            self.found.push(Literal {
                text: in_form_of_the_runbook(inside),
                line: before.matches('\n').count() + 1,
                within: self.within.clone(),
                is_value: before.trim_end().ends_with([':', '=']),
            });
        }
        1 + inside.len() + end
    }
}

/// Letters, digits, and what belongs to a macro's or an attribute's name.
fn last_word(text: &str) -> &str {
    let is_part = |one: char| one.is_alphanumeric() || "_!#".contains(one);
    &text[text.trim_end_matches(is_part).len()..]
}

/// Whose bracket it is: `warn!`, `context`, `#`. Nobody's where it opens a block.
fn owner(before: &str, open: u8) -> &str {
    let word = last_word(before.trim_end());
    match open == b'{' && !word.ends_with('!') {
        true => "",
        false => word,
    }
}

/// How long a letter in quotes is; of a lifetime, its mark alone.
fn letter(here: &str) -> usize {
    let mut inside = here[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => here[3..].find('\'').map_or(1, |end| end + 4),
        (Some(one), Some('\'')) => 2 + one.len_utf8(),
        _ => 1,
    }
}

fn plain(text: &str) -> &str {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return &text[..at],
            letter => escaped = letter == '\\' && !escaped,
        }
    }
    text
}

/// The inside of a raw text, and how long its end is.
fn raw<'a>(text: &'a str, hashes: &str) -> (&'a str, usize) {
    let end = format!("\"{hashes}");
    (text.split(&end).next().unwrap_or(text), end.len())
}

fn in_form_of_the_runbook(literal: &str) -> String {
    let literal = ["\\\n", "\\n", "\\t"]
        .iter()
        .fold(literal.to_owned(), |text, space| text.replace(space, " "));
    let literal = literal.replace("\\\"", "\"");
    let (mut text, mut rest) = (String::new(), literal.as_str());
    while let Some(at) = rest.find(['{', '}']) {
        let (put, after) = brace(&rest[at..]);
        text.extend([&rest[..at], put]);
        rest = after;
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A brace of its own is written twice; a single one holds what is put in.
fn brace(here: &str) -> (&str, &str) {
    for twice in ["{{", "}}"] {
        if let Some(after) = here.strip_prefix(twice) {
            return (&twice[1..], after);
        }
    }
    match here.split_once('}') {
        Some((_, after)) if here.starts_with('{') => ("…", after),
        _ => here.split_at(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str) -> Vec<(String, Message)> {
        let of = |literal: Literal<'_>| (literal.message(), literal.text);
        let found = literals(source).into_iter().map(of);
        found
            .filter(|(message, _)| *message != Message::Not)
            .map(|(message, text)| (text, message))
            .collect()
    }

    fn texts(source: &str) -> Vec<String> {
        told(source).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn a_message_is_on_one_line_with_dots_for_what_is_put_in() {
        let source = "#[error(\n    \"pod {pod} has no \\\n     label {0:?};\\n set \\\"it\\\" to {{x}}\"\n)]";
        assert_eq!(texts(source), ["pod … has no label …; set \"it\" to {x}"]);
    }

    #[test]
    fn what_is_logged_or_returned_as_an_error_is_one_however_short() {
        for source in [
            "tracing::warn!(%error, \"odd: {x}\");",
            "tracing::error!(\n    kind,\n    \"odd: {x}\"\n);",
            "read().context(\"odd: {x}\")?;",
            "read().with_context(|| { let y = 1; format!(\"odd: {x}\") })?;",
            "ensure!(a == (b), \"odd: {x}\");",
            "#[derive(Error)]\n#[error(\"odd: {x}\", x.len())]",
            "None => Err(format!(\"odd: {x}\")),",
        ] {
            assert_eq!(told(source), [("odd: …".to_owned(), Message::Told)]);
        }
        let long = "let why = \"this may be said somewhere\";";
        assert_eq!(told(long)[0].1, Message::Likely);
    }

    #[test]
    fn names_news_reasons_comments_bytes_and_tests_are_none() {
        let source = "// \"a comment is no message\"\nlet quote = '\"'; let mark = '\\''; let name = \"too short\";\n\
                      warn!(target: \"plugin\", \"{line}\");\ninfo!(\"all is well with this\");\n\
                      parse().expect(\"nobody is told of this reason\");\nlet x = b\"bytes are not for any reader\";\n\
                      #[allow(x, reason = \"of the code for its readers\")]\nfn error<'a>(x: &'a str) { error(\"a name\") }\n\
                      #[cfg(test)]\nmod tests {\n    const X: &str = \"a test is no message either\";\n}\n";
        assert!(texts(source).is_empty(), "{:?}", texts(source));
    }

    #[test]
    fn brackets_and_quotes_in_letters_and_raw_texts_mislead_nobody() {
        let source =
            "x.split(['(', '{', '\"']); let y = r#\"{\"a\": \"(\"}\"#; bail!(\"it ended here\")";
        assert_eq!(told(source), [("it ended here".to_owned(), Message::Told)]);
    }

    #[test]
    fn a_message_is_found_again_by_its_line() {
        let source = "fn x() {\n    // a comment\n    bail!(\"it ended\")\n}\n";
        assert_eq!(literals(source)[0].line, 3);
    }
}
