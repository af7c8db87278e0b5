//! [`Words`]: a text as the words that a search compares.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::limits::SEARCH_WORD_BYTES_MAX;

/// The words of a text, each in the form in which words are compared, and where each stands.
///
/// A word is a run of letters and digits; whatever else is in the text stands between words, so `crates/core/src/lib.rs` is five
/// words. In scripts that write no spaces (Chinese and Japanese characters, Thai, Lao, Khmer, Burmese) every letter is a word,
/// and what a caller writes together is looked for together ([`Terms`](crate::Terms)).
///
/// Words are compared without case, without the accents of Latin, Greek and Cyrillic, and in Unicode's compatible form
/// (NFKC): `Éclair`, `eclair` and `ｅｃｌａｉｒ` are one word. Of a longer word the first
/// [`SEARCH_WORD_BYTES_MAX`] bytes count.
///
/// One value can read text after text and keeps its space.
#[derive(Debug, Default)]
pub struct Words {
    /// The words in the form that is compared, with a space after each. They have no ASCII but small letters and digits.
    compared: String,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    compared: Range<usize>,
    text: Range<usize>,
}

impl Words {
    /// Reads a text, instead of the one before.
    pub fn read(&mut self, text: &str) {
        self.compared.clear();
        self.places.clear();
        let mut rest = text.char_indices().peekable();
        while let Some((start, first)) = rest.next() {
            if !first.is_alphanumeric() {
                continue;
            }
            let (alone, mut simple) = (stands_alone(first), first.is_ascii());
            let mut end = start + first.len_utf8();
            while let Some((_, next)) = rest.peek() {
                let goes_on = is_mark(*next) || (!alone && next.is_alphanumeric() && !stands_alone(*next));
                if !goes_on {
                    break;
                }
                simple &= next.is_ascii();
                end += next.len_utf8();
                rest.next();
            }
            self.push(&text[start..end], start, simple);
        }
    }

    fn push(&mut self, word: &str, start: usize, simple: bool) {
        let from = self.compared.len();
        let room = |compared: &String, more: usize| compared.len() - from + more <= SEARCH_WORD_BYTES_MAX;
        if simple {
            let cut = word.len().min(SEARCH_WORD_BYTES_MAX);
            self.compared.extend(word[..cut].chars().map(|c| c.to_ascii_lowercase()));
        } else {
            let letters = word.nfkd().filter(|c| !is_accent(*c)).nfc().flat_map(char::to_lowercase);
            for letter in letters.filter(|c| !is_accent(*c) && (c.is_alphanumeric() || !c.is_ascii())) {
                if !room(&self.compared, letter.len_utf8()) {
                    break;
                }
                self.compared.push(letter);
            }
        }
        if self.compared.len() > from {
            self.places.push(Place { compared: from..self.compared.len(), text: start..start + word.len() });
            self.compared.push(' ');
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All of them in the form that is compared, a space after each. No word has a space in it, nor other ASCII than small letters
    /// and digits, so that an index which knows spaces and nothing else sees the same words.
    pub fn compared(&self) -> &str {
        &self.compared
    }

    pub(super) fn word(&self, place: usize) -> Option<&str> {
        self.places.get(place).map(|place| &self.compared[place.compared.clone()])
    }

    /// Where the words from this to that stand in the text; both included.
    pub(super) fn place(&self, first: usize, last: usize) -> Option<Range<usize>> {
        Some(self.places.get(first)?.text.start..self.places.get(last)?.text.end)
    }
}

/// The accents of Latin, Greek and Cyrillic, once they are letters of their own.
fn is_accent(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}

/// A letter that belongs to the one before it, as the marks of vowels do, and those of Katakana of half width.
fn is_mark(letter: char) -> bool {
    !letter.is_ascii() && (is_combining_mark(letter) || matches!(letter, '\u{FF9E}' | '\u{FF9F}'))
}

/// Letters of scripts that write no spaces between words.
fn stands_alone(letter: char) -> bool {
    !letter.is_ascii()
        && matches!(u32::from(letter),
            0x0E00..=0x0EFF                     // Thai, Lao
            | 0x1000..=0x109F                   // Burmese
            | 0x1780..=0x17FF                   // Khmer
            | 0x2E80..=0x2FDF                   // radicals
            | 0x3005..=0x3007
            | 0x3040..=0x312F                   // Hiragana, Katakana, Bopomofo
            | 0x31A0..=0x31FF
            | 0x3400..=0x4DBF                   // Chinese characters
            | 0x4E00..=0x9FFF
            | 0xF900..=0xFAFF
            | 0xFF66..=0xFF9F                   // Katakana of half width
            | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Words::default();
        words.read(text);
        assert_eq!(words.is_empty(), words.compared().is_empty());
        (0..words.len()).filter_map(|place| words.word(place).map(str::to_owned)).collect()
    }

    #[test]
    fn a_word_is_a_run_of_letters_and_digits() {
        assert_eq!(
            words("crates/core/src/lib.rs: fn say_hello()"),
            ["crates", "core", "src", "lib", "rs", "fn", "say", "hello"]
        );
        assert_eq!(words("C++, 3.14 & \"don't\""), ["c", "3", "14", "don", "t"]);
        assert_eq!(words(" \n—…!"), [""; 0]);
    }

    #[test]
    fn case_accents_and_forms_do_not_count() {
        assert_eq!(words("Éclair ÉCLAIR e\u{301}clair ｅｃｌａｉｒ eclair"), ["eclair"; 5]);
        assert_eq!(words("Ёлка ΆΓΙΑ straße ŉ"), ["елка", "αγια", "straße", "ʼn"]);
        assert_eq!(words("½ ﷺ"), ["1⁄2", "صلىاللهعليهوسلم"]);
        assert_eq!(words("İstanbul"), ["istanbul"]);
    }

    /// PAINS of other stores: what was written without spaces could not be found.
    #[test]
    fn letters_that_are_written_without_spaces_are_words() {
        assert_eq!(words("数据库abc中文"), ["数", "据", "库", "abc", "中", "文"]);
        assert_eq!(words("データ ﾃﾞｰﾀ"), ["デ", "ー", "タ", "デ", "ー", "タ"]);
        assert_eq!(words("한국어 검색"), ["한국어", "검색"]);
        assert_eq!(words("ที่นี่"), ["ที่", "นี่"]);
        assert_eq!(words("नमस्ते दुनिया"), ["नमस्ते", "दुनिया"]);
    }

    #[test]
    fn a_long_word_is_cut() {
        assert_eq!(words(&"a".repeat(1_000)), ["a".repeat(SEARCH_WORD_BYTES_MAX)]);
        assert_eq!(words(&"é".repeat(1_000)), ["e".repeat(SEARCH_WORD_BYTES_MAX)]);
        assert_eq!(words(&"ж".repeat(1_000)), ["ж".repeat(SEARCH_WORD_BYTES_MAX / 2)]);
    }

    #[test]
    fn an_index_that_knows_spaces_alone_sees_the_same_words() {
        let every: String = (0..=u32::from(char::MAX)).filter_map(char::from_u32).collect();
        for text in [every.clone(), every.chars().flat_map(|c| [c, ' ']).collect()] {
            let mut read = Words::default();
            read.read(&text);
            let split: Vec<&str> = read.compared().split_terminator(' ').collect();
            let own: Vec<&str> = (0..read.len()).filter_map(|place| read.word(place)).collect();
            assert_eq!(split, own);
            let odd = |c: &char| c.is_ascii() && !matches!(c, 'a'..='z' | '0'..='9' | ' ');
            assert_eq!(read.compared().chars().find(odd), None);
        }
    }
}
