//! Text from plugins, made fit for one line of a log or of an error.

use std::borrow::Cow;

/// Longest text of a plugin that is shown to anybody: an explanation with a link fits twice.
pub(crate) const MAX_SHOWN: usize = 1024;

/// One line without characters that a terminal or a log reader would act on, of at most `limit` bytes.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(limit));
    // Cut first: what follows costs time per character, and the plugin chose the length.
    for character in cut(text, limit).chars() {
        match character {
            _ if is_hidden(character) => {}
            _ if is_break(character) && cleaned.ends_with(' ') => {}
            _ if is_break(character) => cleaned.push(' '),
            _ => cleaned.push(character),
        }
    }
    if text.len() > limit {
        cleaned.push('…');
    }
    cleaned.trim().to_owned()
}

/// Bytes that should be UTF-8, as text.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Printable ASCII without a space: what a token, or a part of a header field, consists of.
pub(crate) fn is_visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn is_break(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Characters that show nothing and change how their neighbours are shown: bidirectional controls, joiners,
/// variation tags. A reason that reads differently from what it is could mislead an operator.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_breaks_and_terminal_controls_become_one_space() {
        assert_eq!(clean("denied\r\n\u{1b}[31mroot\0", 100), "denied [31mroot");
    }

    #[test]
    fn text_that_reads_backwards_is_shown_as_it_is() {
        assert_eq!(clean("a\u{202e}b\u{200b}c", 100), "abc");
    }

    #[test]
    fn words_of_any_language_are_kept() {
        assert_eq!(
            clean("নিষিদ্ধ · 禁止 · zakázáno", 100),
            "নিষিদ্ধ · 禁止 · zakázáno"
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(clean("ééé", 3), "é…");
    }

    proptest! {
        #[test]
        fn cleaning_is_bounded_and_leaves_no_control_character(text in "\\PC*|.*|(?s:.*)", limit in 0usize..64) {
            let cleaned = clean(&text, limit);
            prop_assert!(cleaned.len() <= limit + '…'.len_utf8());
            prop_assert!(!cleaned.chars().any(char::is_control));
        }
    }
}
