//! The extension headers of IPv6.

use etherparse::{IpNumber, Ipv6ExtensionSlice, Ipv6ExtensionsSlice, Ipv6RawExtHeaderSlice};

/// What follows the extension headers.
pub struct Extended<'a> {
    pub number: IpNumber,
    pub data: &'a [u8],
    pub is_first_fragment: bool,
    pub is_later_fragment: bool,
}

/// Those that etherparse knows, but leaves to its user.
const MORE: [IpNumber; 3] = [IpNumber::MOBILITY_HEADER, IpNumber::HIP, IpNumber::SHIM6];

/// `None`: cut, or damaged. A header after which there is nothing is what the packet is.
pub fn read(mut number: IpNumber, mut data: &[u8]) -> Option<Extended<'_>> {
    let (mut is_first_fragment, mut is_later_fragment) = (false, false);
    loop {
        let (extensions, next, rest, problem) = Ipv6ExtensionsSlice::from_slice_lax(number, data);
        if problem.is_some() {
            return None;
        }
        for extension in extensions {
            if let Ipv6ExtensionSlice::Fragment(fragment) = extension {
                is_later_fragment = fragment.fragment_offset().value() > 0;
                is_first_fragment = !is_later_fragment && fragment.more_fragments();
            }
        }
        (number, data) = (next, rest);
        let has_more = MORE.contains(&number) && !is_later_fragment;
        if !has_more || *data.first()? == IpNumber::IPV6_NO_NEXT_HEADER.0 {
            return Some(Extended { number, data, is_first_fragment, is_later_fragment });
        }
        let header = Ipv6RawExtHeaderSlice::from_slice(data).ok()?;
        (number, data) = (header.next_header(), &data[header.slice().len()..]);
    }
}
