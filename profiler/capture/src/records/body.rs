//! The body of a record: postcard, which has no names of fields. A body that ends early is one of an older writer: the
//! fields that were appended since are 0, `None` or empty.

use postcard::{Deserializer, Error, de_flavors::Flavor};
use serde::Deserialize;

/// More than any record's appended fields. A body that wants more is damaged: without a limit, a list could claim any
/// length.
const APPENDED_BYTES: usize = 64;

static ZEROS: [u8; 16] = [0; 16];

/// Reads a record; bytes behind it are a newer writer's fields.
pub fn decode<'b, T: Deserialize<'b>>(body: &'b [u8]) -> postcard::Result<T> {
    let body = Body { rest: body, appended: APPENDED_BYTES };
    T::deserialize(&mut Deserializer::from_flavor(body))
}

struct Body<'b> {
    rest: &'b [u8],
    /// Zeros that may still follow.
    appended: usize,
}

impl Body<'_> {
    fn append(&mut self, bytes: usize) -> postcard::Result<()> {
        self.appended = self.appended.checked_sub(bytes).ok_or(Error::DeserializeUnexpectedEnd)?;
        Ok(())
    }
}

impl<'b> Flavor<'b> for Body<'b> {
    type Remainder = &'b [u8];
    type Source = &'b [u8];

    fn pop(&mut self) -> postcard::Result<u8> {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                Ok(byte)
            }
            None => self.append(1).map(|()| 0),
        }
    }

    fn try_take_n(&mut self, bytes: usize) -> postcard::Result<&'b [u8]> {
        if self.rest.is_empty() && bytes > 0 {
            self.append(bytes)?;
            return ZEROS.get(..bytes).ok_or(Error::DeserializeUnexpectedEnd);
        }
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    fn finalize(self) -> postcard::Result<&'b [u8]> {
        Ok(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Older {
        at_ns: u64,
        name: String,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Newer {
        at_ns: u64,
        name: String,
        ratio: f64,
        host: Option<String>,
        kinds: Vec<u32>,
        is_whole: bool,
    }

    #[test]
    fn appended_fields_are_nothing_in_an_older_record_and_skipped_by_an_older_reader() {
        let older = Older { at_ns: 7_000, name: "n".to_owned() };
        let body = postcard::to_stdvec(&older).expect("a body");
        let expected = Newer { at_ns: 7_000, name: "n".to_owned(), ..Newer::default() };
        assert_eq!(decode::<Newer>(&body), Ok(expected));

        let newer =
            Newer { at_ns: 7_000, name: "n".to_owned(), ratio: 0.5, kinds: vec![3], ..Newer::default() };
        let body = postcard::to_stdvec(&newer).expect("a body");
        assert_eq!((decode::<Older>(&body), decode::<Newer>(&body)), (Ok(older), Ok(newer)));
    }

    #[test]
    fn a_list_that_claims_more_than_there_is_ends() {
        let claims = postcard::to_stdvec(&(1_u64, "n", 0.5, None::<String>, u64::MAX)).expect("a body");
        assert_eq!(decode::<Newer>(&claims), Err(Error::DeserializeUnexpectedEnd));
    }
}
