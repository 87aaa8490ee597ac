//! Messages as Deluge's own encoder makes them, and what nobody's encoder makes.

use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::rencode::{decode, encode};

/// A value with its encoding: those of Python's rencode 1.0.6.
#[track_caller]
fn check(value: Value, encoded: &[u8]) {
    let mut found = Vec::new();
    encode(&value, &mut found);
    assert_eq!(found, encoded, "{value}");
    assert_eq!(decode(encoded).expect("a value"), value);
}

#[test]
fn values_are_encoded_as_deluge_does() {
    check(json!(null), &[69]);
    check(json!(true), &[67]);
    check(json!(false), &[68]);
    check(json!(0), &[0]);
    check(json!(43), &[43]);
    check(json!(44), &[62, 44]);
    check(json!(-1), &[70]);
    check(json!(-32), &[101]);
    check(json!(-33), &[62, 223]);
    check(json!(127), &[62, 127]);
    check(json!(128), &[63, 0, 128]);
    check(json!(-129), &[63, 255, 127]);
    check(json!(32768), &[64, 0, 0, 128, 0]);
    check(json!(1_u64 << 31), &[65, 0, 0, 0, 0, 128, 0, 0, 0]);
    check(json!(i64::MIN), &[65, 128, 0, 0, 0, 0, 0, 0, 0]);
    check(json!(u64::MAX), b"\x3d18446744073709551615\x7f");
    check(json!(0.5), &[44, 63, 224, 0, 0, 0, 0, 0, 0]);
    check(json!("abc"), b"\x83abc");
    check(json!([1, [], {}]), &[195, 1, 192, 102]);
    check(json!({ "a": 1, "b": [null] }), &[104, 129, 97, 1, 129, 98, 193, 69]);
}

#[test]
fn long_ones_have_their_length_or_end_written() {
    let xs = "x".repeat(64);
    check(json!(xs), format!("64:{xs}").as_bytes());
    check(json!(vec![7; 64]), &[&[59][..], &[7; 64], &[127]].concat());
    let keys = ('a'..='y').map(|key| (key.to_string(), json!(1)));
    let entries: Vec<u8> = ('a'..='y').flat_map(|key| [129, key as u8, 1]).collect();
    check(Value::Object(keys.collect()), &[&[60][..], &entries, &[127]].concat());
}

#[test]
fn small_floats_are_read_though_not_written() {
    assert_eq!(decode(&[66, 63, 0, 0, 0]).expect("a float"), json!(0.5));
}

/// What is no encoding, against a part of the error.
#[track_caller]
fn check_error(encoded: &[u8], message_has: &str) {
    let message = format!("{:#}", decode(encoded).expect_err("an error"));
    assert!(message.contains(message_has), "{message_has:?} is missing in: {message}");
}

#[test]
fn what_is_no_encoding_is_named() {
    check_error(&[], "byte 0 of 0: the message ends inside a value");
    check_error(&[63, 1], "the message ends inside a value");
    check_error(&[0, 0], "1 bytes follow the value");
    check_error(&[58], "no value begins with byte 58");
    check_error(&[127], "no value begins with byte 127");
    check_error(&[59, 1], "the message ends inside a value");
    check_error(&[103, 1, 1], "a key is no text");
    check_error(&[129, 0xff], "not UTF-8");
    check_error(b"99:x", "the message ends inside a text");
    check_error(b"184467440737095516150:x", "is no length");
    check_error(&[b'1'; 1 << 20], "a number does not end");
    check_error(b"9999999999999999999:x", "the message ends inside a text");
    check_error(b"1x:y", "is no length");
    check_error(b"\x3d123", "a number does not end");
    check_error(b"\x3d99999999999999999999\x7f", "no number of 64 bits");
    check_error(&[66, 0x7f, 0xc0, 0, 0], "NaN is no number");
    check_error(&[193; 1000], "nests more than 32 deep");
    check_error(&[59; 1 << 20], "nests more than 32 deep");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| Number::from_f64(float).map(Value::Number)),
        "\\PC{0,70}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 200, 70, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..70).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,9}", inner), 0..30)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// How many values one is made of, keys too.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(|value| 1 + count(value)).sum(),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn every_value_comes_back(value in values()) {
        let mut encoded = Vec::new();
        encode(&value, &mut encoded);
        prop_assert_eq!(decode(&encoded).expect("a value"), value);
    }

    /// Each value takes a byte at least, so that nothing small unpacks into something large.
    #[test]
    fn hostile_bytes_give_an_error_or_a_value_of_their_size(encoded in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(value) = decode(&encoded) {
            prop_assert!(count(&value) <= encoded.len());
        }
    }

    #[test]
    fn a_message_that_is_cut_short_or_changed_does_no_harm(
        value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut encoded = Vec::new();
        encode(&value, &mut encoded);
        let at = at.index(encoded.len());
        prop_assert!(decode(&encoded[..at]).is_err());
        encoded[at] = byte;
        if let Ok(value) = decode(&encoded) {
            prop_assert!(count(&value) <= encoded.len());
        }
    }
}
