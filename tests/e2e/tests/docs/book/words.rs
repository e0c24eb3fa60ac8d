//! The messages that stand in a source file.

/// Fewer words are a name or a part of something.
const WORDS: usize = 4;

/// The string literals of a file that are messages, in the form of the runbook: on one line, with `…` for what is put in.
pub(crate) fn messages(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = without_tests(source);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, here) = rest.split_at(at);
        rest = match here.as_bytes()[0] {
            b'"' => {
                let (literal, after) = literal(&here[1..]);
                if is_said(before) {
                    found.extend(message(literal));
                }
                after
            }
            b'/' if here.starts_with("//") => here.split_once('\n').map_or("", |(_, after)| after),
            b'\'' => after_letter(here),
            _ => &here[1..],
        };
    }
    found
}

/// Tests stand at a file's end.
fn without_tests(source: &str) -> &str {
    let ends = source.match_indices("#[cfg(test)]\n");
    let is_module = |at: &usize| {
        source[*at..]
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("mod "))
    };
    let end = ends.map(|(at, _)| at).find(is_module);
    &source[..end.unwrap_or(source.len())]
}

/// The inside of a literal, and what follows it.
fn literal(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !escaped => return (&text[..at], &text[at + 1..]),
            letter => escaped = letter == '\\' && !escaped,
        }
    }
    (text, "")
}

/// A quotation mark as a letter begins no text.
fn after_letter(text: &str) -> &str {
    ["'\"'", "'\\\"'"]
        .iter()
        .find_map(|letter| text.strip_prefix(letter))
        .unwrap_or(&text[1..])
}

/// Neither bytes nor what a reader of the code is told.
fn is_said(before: &str) -> bool {
    let before = before.trim_end();
    let silent = ["expect(", "reason =", "b"];
    !silent.iter().any(|word| before.ends_with(word))
}

fn message(literal: &str) -> Option<String> {
    let mut text = String::new();
    for (at, part) in literal
        .replace("\\\n", " ")
        .replace("\\\"", "\"")
        .split('{')
        .enumerate()
    {
        match part.split_once('}') {
            Some((_, after)) if at > 0 => text.extend(["…", after]),
            _ => text.push_str(part),
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    (words.len() >= WORDS).then(|| words.join(" "))
}

#[test]
fn messages_are_found_in_one_line_with_dots_for_what_is_put_in() {
    let source = "#[error(\n    \"pod {pod} has no \\\n     label {0:?}; set \\\"it\\\"\"\n)]\n\
                  // \"a comment is no message at all\"\nlet quote = '\"'; let name = \"too short\";\n\
                  parse().expect(\"nobody is told of this reason\")\n\
                  #[cfg(test)]\nmod tests {\n    const X: &str = \"a test is no message either\";\n}\n";
    assert_eq!(messages(source), ["pod … has no label …; set \"it\""]);
}
