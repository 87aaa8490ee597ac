//! rencode, the encoding of Deluge's messages: a value's first byte tells its type, and for short ones its length
//! or the value itself.
//!
//! Values are those of JSON, which have all that Deluge's calls need. Texts that are not UTF-8, keys that are no
//! texts, and numbers outside 64 bits are errors. Not with the crate `rencode`: its licence is the GPL.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Number, Value};

const FLOAT64: u8 = 44;
const LIST: u8 = 59;
const DICT: u8 = 60;
/// Decimal digits, up to `END`.
const INT_DIGITS: u8 = 61;
const INT8: u8 = 62;
const INT16: u8 = 63;
const INT32: u8 = 64;
const INT64: u8 = 65;
const FLOAT32: u8 = 66;
const TRUE: u8 = 67;
const FALSE: u8 = 68;
const NONE: u8 = 69;
const END: u8 = 127;

/// First bytes that hold the value, or the length, themselves.
const SMALL_INTS: i64 = 44;
const NEGATIVE: u8 = 70;
const NEGATIVE_INTS: i64 = 32;
const SHORT_DICT: u8 = 102;
const SHORT_DICTS: usize = 25;
const SHORT_TEXT: u8 = 128;
const SHORT_TEXTS: usize = 64;
const SHORT_LIST: u8 = 192;
const SHORT_LISTS: usize = 64;

/// Deluge's answers nest four deep. Each level is a call of `value`.
const DEPTH_LIMIT: usize = 32;
/// Of a number in digits; 64 bits have 20 with the sign.
const DIGITS_LIMIT: usize = 20;

/// Appends the encoding of a value.
pub fn encode(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(NONE),
        Value::Bool(true) => to.push(TRUE),
        Value::Bool(false) => to.push(FALSE),
        Value::Number(number) => encode_number(number, to),
        Value::String(text) => encode_text(text, to),
        Value::Array(values) => {
            let is_short = values.len() < SHORT_LISTS;
            to.push(if is_short { SHORT_LIST + values.len() as u8 } else { LIST });
            values.iter().for_each(|value| encode(value, to));
            if !is_short {
                to.push(END);
            }
        }
        Value::Object(entries) => {
            let is_short = entries.len() < SHORT_DICTS;
            to.push(if is_short { SHORT_DICT + entries.len() as u8 } else { DICT });
            for (key, value) in entries {
                encode_text(key, to);
                encode(value, to);
            }
            if !is_short {
                to.push(END);
            }
        }
    }
}

/// The value that `bytes` are the encoding of, all of them. What it allocates is in proportion to `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let mut rest = bytes;
    let value = value(&mut rest, DEPTH_LIMIT)
        .with_context(|| format!("decode byte {} of {}", bytes.len() - rest.len(), bytes.len()))?;
    ensure!(rest.is_empty(), "{} bytes follow the value", rest.len());
    Ok(value)
}

fn encode_number(number: &Number, to: &mut Vec<u8>) {
    let Some(int) = number.as_i64() else {
        match number.as_u64() {
            Some(large) => {
                to.push(INT_DIGITS);
                to.extend(large.to_string().bytes());
                to.push(END);
            }
            None => {
                to.push(FLOAT64);
                to.extend(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
            }
        }
        return;
    };
    if (0..SMALL_INTS).contains(&int) {
        to.push(int as u8);
    } else if (-NEGATIVE_INTS..0).contains(&int) {
        to.push(NEGATIVE + (-1 - int) as u8);
    } else if let Ok(int) = i8::try_from(int) {
        to.extend([INT8, int as u8]);
    } else if let Ok(int) = i16::try_from(int) {
        to.push(INT16);
        to.extend(int.to_be_bytes());
    } else if let Ok(int) = i32::try_from(int) {
        to.push(INT32);
        to.extend(int.to_be_bytes());
    } else {
        to.push(INT64);
        to.extend(int.to_be_bytes());
    }
}

fn encode_text(text: &str, to: &mut Vec<u8>) {
    if text.len() < SHORT_TEXTS {
        to.push(SHORT_TEXT + text.len() as u8);
    } else {
        to.extend(format!("{}:", text.len()).bytes());
    }
    to.extend(text.bytes());
}

fn value(rest: &mut &[u8], depth: usize) -> Result<Value> {
    ensure!(depth > 0, "the value nests more than {DEPTH_LIMIT} deep");
    let [first] = *take_array(rest)?;
    Ok(match first {
        0..44 => i64::from(first).into(),
        FLOAT64 => float(f64::from_be_bytes(*take_array(rest)?))?,
        b'0'..=b'9' => long_text(first, rest)?.into(),
        LIST => list(usize::MAX, rest, depth)?,
        DICT => dict(usize::MAX, rest, depth)?,
        INT_DIGITS => digits(rest)?,
        INT8 => i8::from_be_bytes(*take_array(rest)?).into(),
        INT16 => i16::from_be_bytes(*take_array(rest)?).into(),
        INT32 => i32::from_be_bytes(*take_array(rest)?).into(),
        INT64 => i64::from_be_bytes(*take_array(rest)?).into(),
        FLOAT32 => float(f32::from_be_bytes(*take_array(rest)?).into())?,
        TRUE => true.into(),
        FALSE => false.into(),
        NONE => Value::Null,
        NEGATIVE..SHORT_DICT => (-1 - i64::from(first - NEGATIVE)).into(),
        SHORT_DICT..END => dict(usize::from(first - SHORT_DICT), rest, depth)?,
        SHORT_TEXT..SHORT_LIST => text(usize::from(first - SHORT_TEXT), rest)?.into(),
        SHORT_LIST.. => list(usize::from(first - SHORT_LIST), rest, depth)?,
        45..=47 | 58 | END => bail!("no value begins with byte {first}"),
    })
}

/// A list of that many values, or of all before `END`.
fn list(length: usize, rest: &mut &[u8], depth: usize) -> Result<Value> {
    let mut values = Vec::new();
    while values.len() < length && !is_end(length, rest) {
        values.push(value(rest, depth - 1)?);
    }
    Ok(values.into())
}

fn dict(length: usize, rest: &mut &[u8], depth: usize) -> Result<Value> {
    let mut entries = Map::new();
    let mut read = 0;
    while read < length && !is_end(length, rest) {
        let Value::String(key) = value(rest, depth - 1)? else { bail!("a key is no text") };
        entries.insert(key, value(rest, depth - 1)?);
        read += 1;
    }
    Ok(entries.into())
}

/// Whether a list of unknown length ends here; takes its end.
fn is_end(length: usize, rest: &mut &[u8]) -> bool {
    let ends = length == usize::MAX && rest.first() == Some(&END);
    if ends {
        *rest = &rest[1..];
    }
    ends
}

fn text(length: usize, rest: &mut &[u8]) -> Result<String> {
    let (text, after) = rest.split_at_checked(length).context("the message ends inside a text")?;
    *rest = after;
    Ok(str::from_utf8(text).context("a text is not UTF-8")?.to_owned())
}

/// A text with its length before it, in digits of which the first is taken already.
fn long_text(first: u8, rest: &mut &[u8]) -> Result<String> {
    let length = format!("{}{}", char::from(first), until(b':', rest)?);
    text(length.parse().with_context(|| format!("{length:?} is no length"))?, rest)
}

fn digits(rest: &mut &[u8]) -> Result<Value> {
    let digits = until(END, rest)?;
    let number = digits.parse().map(i64::into).or_else(|_| digits.parse().map(u64::into));
    number.with_context(|| format!("{digits:?} is no number of 64 bits"))
}

/// The few characters before `end`, which is taken too.
fn until<'a>(end: u8, rest: &mut &'a [u8]) -> Result<&'a str> {
    let length =
        rest.iter().take(DIGITS_LIMIT + 1).position(|&byte| byte == end).context("a number does not end")?;
    let digits = &rest[..length];
    *rest = &rest[length + 1..];
    str::from_utf8(digits).context("a number is no text")
}

fn float(float: f64) -> Result<Value> {
    Number::from_f64(float).map(Value::Number).with_context(|| format!("{float} is no number"))
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let (array, after) = rest.split_first_chunk().context("the message ends inside a value")?;
    *rest = after;
    Ok(array)
}
